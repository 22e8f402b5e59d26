"""The reading of a forget set may take longer than the lease, and is work like any other."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import Job
from service.dispatcher.service import take_back
from tests import factories
from tests.service.racing import in_background, wait_for_blocked
from workers import supervision
from workers.lifecycle import jobs
from workers.plan import Refused

Task = Callable[[dict[str, Any]], None]


@pytest.fixture
def job(session: Session, worker: Settings) -> Job:
    # Long enough for a busy machine to beat in time.
    worker.lease_seconds = 3
    model = factories.model(session, factories.dataset(session))
    request = factories.request(session, ["s-1", "s-2"])
    return factories.job(session, model, factories.head(session, model), tv=request.tv)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The plans that came to a run; each run refuses at once."""
    plans: list[Any] = []

    def refuse(plan: Any, *_: Any) -> Refused:
        plans.append(plan)
        return Refused(reason="It only had to get this far.")

    monkeypatch.setattr(supervision, "run", refuse)
    return plans


def test_a_job_whose_forget_set_takes_longer_to_read_than_the_lease_comes_to_its_run(
    session: Session,
    database: Database,
    worker: Settings,
    job: Job,
    run_job: Task,
    runs: list[Any],
) -> None:
    with database.engine.connect() as slow:
        slow.execute(text("LOCK TABLE tombstones IN ACCESS EXCLUSIVE MODE"))
        with in_background(lambda: run_job({"job_id": job.id})) as task:
            try:
                wait_for_blocked(database, task)
                until = time.monotonic() + 2 * worker.lease_seconds
                while time.monotonic() < until:
                    take_back(database, worker)
                    time.sleep(0.1)
            finally:
                slow.rollback()
            task.result(20)

    session.refresh(job)
    assert len(runs) == 1
    assert (job.fence, job.reason) == (1, "It only had to get this far.")


@pytest.mark.usefixtures("told_to_stop")
def test_a_worker_that_is_told_to_stop_reads_no_further(
    session: Session, job: Job, run_job: Task, runs: list[Any]
) -> None:
    run_job({"job_id": job.id})

    session.refresh(job)
    assert (job.state, job.attempt, runs) == ("queued", 0, [])


def test_whoever_reads_is_asked_on_the_way_whether_to_go_on(
    session: Session, database: Database, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ROWS_A_CHECK", 1)
    with database.unit_of_work() as other:
        claimed = jobs.claim(other, job.id, "worker", 60)
    assert claimed is not None
    asked: list[int] = []

    jobs.read_forget_set(session, claimed, lambda: asked.append(1))

    # Once for each of the two rows, as forgotten and as excluded.
    assert len(asked) == 4
