"""Heartbeats from a thread of their own, and what becomes of the lease by this process's clock."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import exc

from tests.waiting import wait_until
from workers import keeper
from workers.keeper import Keeper, ShutdownError
from workers.lifecycle.leases import CancelledError, LeaseLostError
from workers.plan import ProgressLine
from workers.progress import RunProgress

LEASE = 1.0
Answer = Callable[[], bool]


class Database:
    """Hears heartbeats, and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[RunProgress] = []
        self.answer: Answer = lambda: False

    def heartbeat(self, progress: RunProgress) -> bool:
        self.heard.append(progress)
        return self.answer()


@pytest.fixture
def database() -> Database:
    return Database()


def failing(error: Exception) -> Answer:
    def fail() -> bool:
        raise error

    return fail


@pytest.fixture
def kept(database: Database) -> Iterator[Callable[[float], Keeper]]:
    """Begin to keep a lease that is so many seconds old."""
    with ExitStack() as until_the_end:
        yield lambda age: until_the_end.enter_context(
            Keeper(database.heartbeat, LEASE, time.monotonic() - age)
        )


def assert_kept_for(lease: Keeper, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        lease.check()
        time.sleep(0.02)


def seconds_until_lost(lease: Keeper) -> float:
    started = time.monotonic()
    with pytest.raises(LeaseLostError):
        assert_kept_for(lease, 5 * LEASE)
    return time.monotonic() - started


def test_a_lease_is_renewed_every_quarter_of_it_while_nothing_happens(
    database: Database, kept: Callable[[float], Keeper]
) -> None:
    lease = kept(0)

    assert_kept_for(lease, 2 * LEASE)

    assert 4 <= len(database.heard) <= 8


def test_news_goes_out_with_the_next_beat_and_as_it_was_when_it_was_told(
    database: Database, kept: Callable[[float], Keeper]
) -> None:
    lease, progress = kept(0), RunProgress()
    progress.add(ProgressLine(phase="loading", fraction=1, metrics={"step": 1.0}))
    lease.tell(progress)
    progress.add(ProgressLine(phase="auditing", fraction=1, metrics={"step": 2.0}))

    wait_until(lambda: database.heard and database.heard[-1].metrics, patience=5)

    assert (database.heard[-1].phase, len(database.heard[-1].metrics)) == ("loading", 1)


def test_a_wish_to_stop_ends_the_work_and_the_lease_is_kept_until_that_is_recorded(
    database: Database, kept: Callable[[float], Keeper]
) -> None:
    database.answer = lambda: True
    lease = kept(0)

    with pytest.raises(CancelledError):
        assert_kept_for(lease, 2 * LEASE)
    time.sleep(2 * LEASE)

    lease.check_lease()


def test_a_worker_that_is_told_to_stop_still_has_its_lease(
    kept: Callable[[float], Keeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told:
        def is_set(self) -> bool:
            return True

    monkeypatch.setattr(keeper, "stopping", Told())
    lease = kept(0)

    with pytest.raises(ShutdownError):
        lease.check()
    lease.check_lease()


def test_silence_counts_from_the_moment_at_which_the_lease_began(
    database: Database, kept: Callable[[float], Keeper]
) -> None:
    database.answer = failing(exc.OperationalError("UPDATE", None, Exception("away")))

    assert seconds_until_lost(kept(0.5 * LEASE)) < 0.6 * LEASE
    assert seconds_until_lost(kept(2 * LEASE)) < 0.3 * LEASE


@pytest.mark.parametrize(
    "error",
    [
        exc.OperationalError("UPDATE", None, Exception("the server is away")),
        exc.InterfaceError("UPDATE", None, Exception("the connection is closed")),
        exc.InternalError("UPDATE", None, Exception("a transaction that was aborted")),
        exc.TimeoutError("no connection of the pool is free"),
    ],
)
def test_a_database_that_is_away_or_busy_is_tried_again_until_the_fuse(
    database: Database, kept: Callable[[float], Keeper], error: Exception
) -> None:
    lease = kept(0)
    database.answer = failing(error)
    assert_kept_for(lease, 0.6 * LEASE)
    database.answer = lambda: False
    assert_kept_for(lease, 2 * LEASE)

    database.answer = failing(error)

    assert 0.4 * LEASE < seconds_until_lost(lease) < LEASE


@pytest.mark.parametrize(
    "error",
    [
        LeaseLostError("The lease passed to another worker."),
        exc.ProgrammingError("UPDATE", None, Exception("no such column")),
        exc.IntegrityError("UPDATE", None, Exception("a constraint")),
        ZeroDivisionError(),
    ],
)
def test_what_the_next_beat_would_not_mend_is_raised_where_the_work_is_done(
    database: Database, kept: Callable[[float], Keeper], error: Exception
) -> None:
    lease = kept(0)
    database.answer = failing(error)

    with pytest.raises(type(error)):
        assert_kept_for(lease, 0.7 * LEASE)
    assert len(database.heard) == 1
