"""How a step of a sweep goes through what is due, and what stops it: nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from service.core.db import Database

Key = TypeVar("Key")
log = structlog.get_logger(__name__)


@contextmanager
def survived(step: str, **about: object) -> Iterator[None]:
    """Log what ends a part of a sweep, and go on behind it.

    Nothing is lost: what is due is found again by the next sweep.
    """
    try:
        yield
    except Exception as error:
        # Of whatever kind it is: one bad row, or a server that is away, must not stop all the rest.
        log.error("step of a sweep failed", step=step, **about, exc_info=error)


def each(
    database: Database,
    step: str,
    find: Callable[[Session], Sequence[Key]],
    work: Callable[[Session, Key], None],
) -> None:
    """Look up what is due, and work on each of it in a transaction of its own.

    Several jobs or datasets in one transaction would be locked in whatever order they were found,
    and two dispatchers that each have one and want the other's would wait in a circle. `work`
    looks again under a lock of its own: what was due may have been done by then.
    """
    keys: Sequence[Key] = ()
    with survived(step), database.unit_of_work() as session:
        keys = find(session)
    for key in keys:
        with survived(step, key=str(key)), database.unit_of_work() as session:
            work(session, key)
