"""A run is ended for certain, however it misbehaves."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy.exc import OperationalError

from service.core.settings import Settings
from tests.workers.runner.plans import supervise
from workers import keeper, supervision
from workers.keeper import Heartbeat, Keeper, ShutdownError
from workers.lifecycle.leases import CancelledError, LeaseLostError
from workers.plan import Validated, ValidatePlan
from workers.progress import RunProgress
from workers.supervision import RunFailedError


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "GRACE_SECONDS", 0.5)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def made_by(plan: ValidatePlan, factory: str) -> ValidatePlan:
    architecture = plan.architecture.model_copy(update={"factory": f"tests.hostile:{factory}"})
    return plan.model_copy(update={"architecture": architecture})


def runs_left(work: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(work).encode() in line:
            found.append(int(process.name))
    return found


def test_a_crash_is_told_by_its_signal(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    with pytest.raises(RunFailedError, match="ended by SIGSEGV") as caught:
        supervise(made_by(validation, "crash"), work, quick, lambda _p: False)

    assert caught.value.code == "crashed"


def test_what_a_model_prints_does_not_reach_the_supervisors_pipe(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    outcome = supervise(made_by(validation, "chatty"), work, quick, lambda _p: False)

    assert isinstance(outcome, Validated)


def test_what_crashes_after_the_outcome_is_written_does_not_spoil_it(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    outcome = supervise(made_by(validation, "crash_at_exit"), work, quick, lambda _p: False)

    assert isinstance(outcome, Validated)


def test_a_run_that_hangs_is_ended_at_the_limit(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    limited = quick.model_copy(update={"registration_time_limit_seconds": 3})

    with pytest.raises(RunFailedError, match="limit of 3 seconds") as caught:
        supervise(made_by(validation, "hang"), work, limited, lambda _p: False)

    assert caught.value.code == "timed_out"
    assert runs_left(work) == []


def test_a_cancelled_run_is_gone_even_if_it_ignores_sigterm(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    started = time.monotonic()

    def cancel_soon(_progress: RunProgress) -> bool:
        return time.monotonic() - started > 2

    with pytest.raises(CancelledError):
        supervise(made_by(validation, "hang"), work, quick, cancel_soon)

    assert runs_left(work) == []


def test_a_lost_lease_ends_the_run(validation: ValidatePlan, quick: Settings, work: Path) -> None:
    def lose(_progress: RunProgress) -> bool:
        raise LeaseLostError("The lease passed to another worker.")

    with pytest.raises(LeaseLostError):
        supervise(made_by(validation, "hang"), work, quick, lose)

    assert runs_left(work) == []


def test_a_database_that_is_silent_for_as_long_as_the_lease_ends_the_run(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    def fail(_progress: RunProgress) -> bool:
        raise OperationalError("UPDATE", None, Exception("the server is away"))

    started = time.monotonic()
    with pytest.raises(LeaseLostError, match="silent"):
        supervise(made_by(validation, "hang"), work, quick, fail)

    # Before the lease is over, or another worker could have begun meanwhile.
    assert time.monotonic() - started < quick.lease_seconds + supervision.GRACE_SECONDS + 1
    assert runs_left(work) == []


@pytest.fixture
def stuck() -> Iterator[Heartbeat]:
    """A heartbeat that does not come back, as where another session locks the row."""
    let_go = Event()

    def block(_progress: RunProgress) -> bool:
        let_go.wait()
        return False

    yield block
    let_go.set()


def test_a_heartbeat_that_blocks_holds_up_neither_the_fuse_nor_the_kill(
    validation: ValidatePlan,
    quick: Settings,
    work: Path,
    stuck: Heartbeat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # There is no time for good manners: the lease would be over before.
    monkeypatch.setattr(supervision, "GRACE_SECONDS", 60)
    started = time.monotonic()

    with pytest.raises(LeaseLostError, match="silent"):
        supervise(made_by(validation, "hang"), work, quick, stuck)

    assert time.monotonic() - started < quick.lease_seconds + keeper.LAST_BEAT_SECONDS
    assert runs_left(work) == []


def test_a_heartbeat_that_blocks_does_not_hold_up_the_limit(
    validation: ValidatePlan, quick: Settings, work: Path, stuck: Heartbeat
) -> None:
    limited = quick.model_copy(update={"registration_time_limit_seconds": 2, "lease_seconds": 4})

    with pytest.raises(RunFailedError, match="limit of 2 seconds"):
        supervise(made_by(validation, "hang"), work, limited, stuck)

    assert runs_left(work) == []


def test_a_worker_that_is_told_to_stop_ends_its_run(
    validation: ValidatePlan, quick: Settings, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told:
        def is_set(self) -> bool:
            return True

    monkeypatch.setattr(keeper, "stopping", Told())

    with pytest.raises(ShutdownError):
        supervise(made_by(validation, "hang"), work, quick, lambda _p: False)

    assert runs_left(work) == []


def test_a_run_shares_the_lock_of_its_space_until_it_is_dead(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    """Its worker's death alone makes nobody else the owner of the files it still writes to."""
    mine = os.open(work / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(mine, fcntl.LOCK_EX)
    free: list[bool] = []

    def is_free() -> bool:
        other = os.open(work / "lock", os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(other)
        return True

    def let_go_and_look(_progress: RunProgress) -> bool:
        if runs_left(work) and not free:
            os.close(mine)
            free.append(is_free())
        return bool(free)

    with (
        pytest.raises(CancelledError),
        Keeper(let_go_and_look, quick.lease_seconds, time.monotonic()) as lease,
    ):
        supervision.run(made_by(validation, "hang"), work, quick, lease, [mine])

    assert free == [False]
    assert is_free()
