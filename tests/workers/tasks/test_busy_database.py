"""A database that is busy, or away for a moment, costs time and no work."""

import time
from collections.abc import Callable
from threading import Event
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
from workers import context, supervision
from workers.plan import Unlearned, UnlearnPlan

Task = Callable[[dict[str, Any]], None]
TIMEOUTS = ("statement_timeout", "lock_timeout")


@pytest.fixture
def job(session: Session, worker: Settings) -> Job:
    worker.lease_seconds = 1
    model = factories.model(session, factories.dataset(session))
    request = factories.request(session, ["s-1", "s-2"])
    return factories.job(session, model, factories.head(session, model), tv=request.tv)


def test_a_version_waits_for_a_lock_that_outlasts_the_lease_and_is_published(
    session: Session,
    database: Database,
    worker: Settings,
    job: Job,
    run_job: Task,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome, ended = factories.unlearned(), Event()
    with database.engine.connect() as holder:

        def run(plan: UnlearnPlan, *_: Any) -> Unlearned:
            (plan.staging / "manifest.json").write_text("{}", encoding="utf-8")
            # The publishing transaction needs this row.
            holder.execute(text("SELECT id FROM models FOR NO KEY UPDATE"))
            ended.set()
            return outcome

        monkeypatch.setattr(supervision, "run", run)
        with in_background(lambda: run_job({"job_id": job.id})) as task:
            try:
                assert ended.wait(20)
                wait_for_blocked(database, task)
                until = time.monotonic() + 3 * worker.lease_seconds
                while time.monotonic() < until:
                    take_back(database, worker)
                    time.sleep(0.1)
            finally:
                holder.rollback()
            task.result(20)

    session.refresh(job)
    head = factories.head(session, job.model)
    assert (job.state, job.fence, head.digest) == ("published", 1, outcome.written.digest)


def test_a_row_that_is_locked_is_left_to_the_next_ring(
    session: Session, database: Database, job: Job, run_job: Task
) -> None:
    with database.engine.connect() as holder:
        holder.execute(text("SELECT id FROM models FOR NO KEY UPDATE"))
        run_job({"job_id": job.id})
        holder.rollback()

    session.refresh(job)
    assert (job.state, job.attempt) == ("queued", 0)


def test_only_what_is_long_by_nature_may_take_long(worker: Settings) -> None:
    worker.lease_seconds = 10

    def limits(database: Database) -> list[str]:
        with database.unit_of_work() as session:
            return [session.scalars(text(f"SHOW {name}")).one() for name in TIMEOUTS]

    assert limits(context.database()) == ["5s", "2500ms"]
    assert limits(context.bulk_database()) == ["0", "0"]
