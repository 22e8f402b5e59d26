"""A retry that meets the failure which it is to mend."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import DeletionRequest, Job, JobReason, Model
from service.deletion_requests import service
from service.dispatcher.service import make_jobs
from tests import factories
from tests.service.racing import in_background, released, wait_for_blocked
from workers.lifecycle import jobs


def test_a_retry_that_waits_for_the_failure_starts_another_job(
    database: Database, session: Session
) -> None:
    """Promise: a request that is being processed has something that works on it."""
    model = factories.model(session, factories.dataset(session))
    request = factories.request(session, ["s-1"])
    job = factories.job(session, model, factories.head(session, model), tv=1)
    with database.unit_of_work() as other:
        claimed = jobs.claim(other, job.id, "worker", 60)
    assert claimed is not None

    def retry() -> DeletionRequest:
        with database.unit_of_work() as other:
            return service.retry(other, request.id)

    with database.session() as failing:
        jobs.fail(failing, claimed, JobReason.REFUSED, "The files have changed.")
        failing.flush()
        with in_background(retry) as retrying, released(failing):
            wait_for_blocked(database, retrying)
            failing.commit()
            assert retrying.result().state == "processing"

    session.rollback()
    model = session.scalars(select(Model)).one()
    assert (model.held_tv, model.failed_tv) == (0, 0)
    make_jobs(database)
    states = session.scalars(select(Job.state).order_by(Job.created_at)).all()
    assert states == ["failed", "queued"]


def test_a_retry_leaves_models_alone_that_did_not_fail_the_request(
    database: Database, session: Session
) -> None:
    """Another model's version waits for review: a retry makes no second one beside it."""
    digits = factories.dataset(session)
    failed, held = (factories.model(session, digits, name) for name in ("failed", "held"))
    request = factories.request(session, ["s-1"])
    later = factories.request(session, ["s-2"])
    failed.held_tv = failed.failed_tv = later.tv
    held.held_tv, held.failed_tv = later.tv, request.tv
    factories.head(session, held).tv = request.tv
    later.state, request.state = "failed", "completed"  # type: ignore[assignment]
    session.commit()

    with database.unit_of_work() as other:
        service.retry(other, later.id)

    session.expire_all()
    assert (failed.held_tv, failed.failed_tv) == (0, 0)
    assert (held.held_tv, held.failed_tv) == (later.tv, request.tv)
