"""What an attempt that was cut short has kept: who gets it, and when it is gone."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.reasons import JobReason
from service.core.settings import Settings
from service.core.tables import Job, JobState, Model
from tests import factories
from workers import janitor, supervision
from workers.keeper import ShutdownError
from workers.lifecycle.leases import CancelledError, LeaseLostError
from workers.plan import KEPT, Unlearned, UnlearnPlan
from workers.supervision import RunFailedError
from workers.workspace import workspace

Task = Callable[[dict[str, Any]], None]
KILLED = RunFailedError(JobReason.KILLED, "Its process was ended by SIGKILL.")


@pytest.fixture
def model(session: Session, worker: Settings) -> Model:
    assert worker.max_attempts == 3
    return factories.model(session, factories.dataset(session))


@pytest.fixture
def job(session: Session, model: Model) -> Job:
    request = factories.request(session, ["s-1", "s-2"])
    return factories.job(session, model, factories.head(session, model), tv=request.tv)


@dataclass
class Runs:
    """In place of runs: each keeps a file, and ends as told. `found` is what it began with."""

    ends: list[Exception | None] = field(default_factory=list)
    found: list[list[str]] = field(default_factory=list)
    asked: list[tuple[str, float | None]] = field(default_factory=list)

    def __call__(self, plan: UnlearnPlan, work_dir: Path, *_: Any) -> Unlearned:
        kept = work_dir / KEPT
        self.found.append(sorted(path.name for path in kept.glob("savepoint-*")))
        self.asked.append((plan.target_level, plan.min_agreement))
        (kept / f"savepoint-{len(self.found)}").write_text("made from samples", encoding="utf-8")
        (work_dir / "density").write_text("made from samples", encoding="utf-8")
        (plan.staging / "manifest.json").write_text("{}", encoding="utf-8")
        end = self.ends.pop(0) if self.ends else None
        if end is not None:
            raise end
        return factories.unlearned()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(supervision, "run", made)
    return made


@pytest.fixture
def attempt(session: Session, job: Job, run_job: Task) -> Callable[[], str]:
    """One more attempt, whatever pause the job is in -> the job's state afterwards."""

    def once() -> str:
        job.run_after = None
        session.commit()
        run_job({"job_id": job.id})
        session.refresh(job)
        return str(job.state)

    return once


def left(settings: Settings) -> list[str]:
    """All files in scratch and staging, but those that are only for locking."""
    roots = settings.scratch_dir, settings.storage_dir / ".staging"
    return sorted(
        path.name
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != ".sweep"
    )


@pytest.mark.parametrize(
    "end",
    [
        KILLED,
        ShutdownError("The worker was told to stop."),
        RunFailedError(JobReason.OUT_OF_MEMORY, "It took too much."),
        OSError(5, "Input/output error"),
    ],
)
def test_the_next_attempt_goes_on_from_what_was_kept_and_nothing_is_left_in_the_end(
    end: Exception, worker: Settings, runs: Runs, attempt: Callable[[], str]
) -> None:
    runs.ends = [end, end]

    assert attempt() == "queued"
    # Of all that it made, only what is for the next attempt is still there.
    assert left(worker) == ["plan.sha256", "savepoint-1"]
    assert attempt() == "queued"
    assert attempt() == "published"

    assert runs.found == [[], ["savepoint-1"], ["savepoint-1", "savepoint-2"]]
    assert left(worker) == []
    assert list(worker.scratch_dir.glob("*.lock")) == []


def test_an_attempt_at_another_plan_begins_anew(
    session: Session, worker: Settings, runs: Runs, attempt: Callable[[], str]
) -> None:
    runs.ends = [KILLED, KILLED]
    attempt()
    factories.request(session, ["s-3"])
    attempt()

    assert runs.found == [[], []]
    assert left(worker) == ["plan.sha256", "savepoint-2"]


def test_each_attempt_is_told_the_level_and_the_floor_of_the_policy_as_it_is_then(
    model: Model, runs: Runs, attempt: Callable[[], str]
) -> None:
    runs.ends = [KILLED, KILLED, KILLED]
    attempt()
    model.policy = {**model.policy, "target_level": "robust"}
    attempt()
    model.policy = {**model.policy, "min_agreement": 0.9}
    attempt()

    assert runs.asked == [("membership", None), ("robust", None), ("robust", 0.9)]
    # What was kept for another level is of no use.
    assert runs.found == [[], [], []]


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([KILLED] * 3, "failed"),
        ([KILLED, CancelledError("Somebody asked.")], "cancelled"),
        ([KILLED, None], "published"),
    ],
)
def test_what_was_kept_is_gone_when_the_job_is_over(
    ends: list[Exception | None],
    state: str,
    worker: Settings,
    runs: Runs,
    attempt: Callable[[], str],
) -> None:
    runs.ends = list(ends)
    states = [attempt() for _end in ends]

    assert states[-1] == state
    assert left(worker) == []


def test_an_attempt_that_found_the_disk_full_leaves_room_for_the_next(
    worker: Settings, runs: Runs, attempt: Callable[[], str]
) -> None:
    full = OSError(28, "No space left on device")
    runs.ends = [RunFailedError(JobReason.DISK_FULL, "No space."), full]

    assert [attempt(), attempt()] == ["queued", "queued"]
    assert runs.found == [[], []]
    assert left(worker) == []


def test_what_somebody_may_still_work_in_is_not_taken_over(
    worker: Settings, runs: Runs, attempt: Callable[[], str], job: Job
) -> None:
    """A worker that was silent for too long, and wakes up, still has its space to itself."""
    runs.ends = [KILLED]
    attempt()
    name = f"{janitor.owner_of(job.id)}.1"
    handle = os.open(worker.scratch_dir / f"{name}.lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)

    assert attempt() == "published"

    assert runs.found == [[], []]
    assert left(worker) == ["plan.sha256", "savepoint-1"]
    os.close(handle)


def test_a_lost_lease_leaves_the_work_to_whoever_has_the_job_now(
    session: Session, worker: Settings, runs: Runs, attempt: Callable[[], str], job: Job
) -> None:
    runs.ends = [LeaseLostError("The database was silent.")]
    assert attempt() == "running"
    job.state, job.lease_owner = JobState.QUEUED, None
    session.commit()

    assert attempt() == "published"
    assert runs.found == [[], ["savepoint-1"]]
    assert left(worker) == []


def test_the_janitor_removes_what_nobody_will_come_back_for(
    session: Session,
    database: Database,
    worker: Settings,
    runs: Runs,
    attempt: Callable[[], str],
    job: Job,
) -> None:
    runs.ends = [KILLED]
    attempt()
    with workspace(worker, "model-7.1") as used:
        (used.path / "inputs").write_text("made from samples", encoding="utf-8")

        janitor.sweep(database, worker)
        assert left(worker) == ["inputs", "plan.sha256", "savepoint-1"]

        # The job has ended on another machine.
        job.state = JobState.CANCELLED
        session.commit()
        janitor.sweep(database, worker)
        assert left(worker) == ["inputs"]


def test_the_janitor_keeps_nothing_for_longer_than_an_attempt_may_take(
    database: Database, worker: Settings, runs: Runs, attempt: Callable[[], str]
) -> None:
    runs.ends = [KILLED]
    attempt()
    impatient = worker.model_copy(update={"job_time_limit_seconds": 0.0})

    janitor.sweep(database, worker)
    assert left(worker) != []
    janitor.sweep(database, impatient)
    assert left(worker) == []


def test_the_janitor_removes_nothing_while_the_database_is_away(
    worker: Settings, runs: Runs, attempt: Callable[[], str]
) -> None:
    runs.ends = [KILLED]
    attempt()
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")

    janitor.sweep(away, worker)

    assert left(worker) == ["plan.sha256", "savepoint-1"]
    away.dispose()
