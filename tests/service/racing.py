"""Several sessions at the same moment, without sleeping and hoping."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Barrier
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.db import Database

T = TypeVar("T")
PATIENCE_SECONDS = 20.0

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_for_blocked(database: Database, *running: Future[Any]) -> None:
    """Return once each of these waits for a lock that another session of the database holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for one in running:
            if one.done():
                raise AssertionError(f"It did not wait, and came to {one.result()}.")
        with database.engine.connect() as connection:
            if connection.scalars(WAITING).one() >= len(running):
                return
        time.sleep(0.01)
    raise AssertionError("Not all of them wait for a lock.")


def in_background(work: Callable[[], T]) -> AbstractContextManager[Future[T]]:
    """Run `work` in a thread for the length of a block."""

    @contextmanager
    def running() -> Any:
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(work)

    return running()


@contextmanager
def released(holder: Session) -> Iterator[None]:
    """Let go of a session's locks when a block ends, also by a failure.

    Inside `in_background`, which waits for its thread: the thread would wait for the locks.
    """
    try:
        yield
    finally:
        holder.rollback()


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """What `work(0)`, `work(1)` and so on return, all started at the same moment."""
    start = Barrier(count)

    def one(number: int) -> T:
        start.wait(PATIENCE_SECONDS)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
