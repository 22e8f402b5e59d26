"""A cancellation that meets a request in the making."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core import clock
from service.core.db import Database
from service.core.messages import celery_app
from service.core.settings import Settings
from service.core.tables import DeletionRequest, Job, JobState, RequestState, Tombstone
from service.deletion_requests import service
from service.dispatcher.service import make_jobs, sweep
from tests import factories
from tests.service.racing import WAITING, wait_for_blocked
from tests.waiting import wait_until
from workers.lifecycle import jobs


def waiting(database: Database, count: int) -> None:
    def enough() -> bool:
        with database.engine.connect() as connection:
            return bool(connection.scalar(WAITING) >= count)

    wait_until(enough, patience=10)


@pytest.mark.parametrize("named", [["s-1", "s-2"], ["s-1"]])
def test_a_sample_that_a_cancellation_lifts_meanwhile_is_stamped_again(
    database: Database, session: Session, named: list[str]
) -> None:
    """Promise: what was answered 2xx is deleted, also where it relied on another request."""
    dataset = factories.dataset(session)
    factories.model(session, dataset)
    first = factories.request(session, ["s-1"])

    def cancel() -> None:
        with database.unit_of_work() as opened:
            service.cancel(opened, first.id)

    def accept() -> DeletionRequest:
        with database.unit_of_work() as opened:
            return factories.accept(opened, named)

    with ThreadPoolExecutor(2) as pool:
        with database.session() as holder:
            clock.read(holder, dataset.id, lock=True)
            cancelled = pool.submit(cancel)
            waiting(database, 1)
            accepted = pool.submit(accept)
            waiting(database, 2)
        cancelled.result()
        accepted_id = accepted.result().id

    # Whichever came first: the cancellation, or the request that it then hands the sample to.
    session.rollback()
    second = session.get_one(DeletionRequest, accepted_id)
    stones = {row.sample_id: row.request_id for row in session.scalars(select(Tombstone))}
    assert stones == dict.fromkeys(named, second.id)
    assert (second.staged, second.already_deleted) == (len(named), 0)
    assert second.tv == clock.read(session, dataset.id)


def test_a_sample_that_passes_to_a_third_request_meanwhile_is_waited_for_without_a_circle(
    database: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third has one sample and waits for the other, which the second has."""
    dataset = factories.dataset(session)
    factories.model(session, dataset)
    first = factories.request(session, ["s-1"])
    real = clock.read
    both = ["s-1", "s-2"]

    def accept() -> DeletionRequest:
        with database.unit_of_work() as opened:
            return factories.accept(opened, both)

    with ThreadPoolExecutor(1) as pool:
        third: list[Future[DeletionRequest]] = []

        def meanwhile(opened: Session, dataset_id: int, *, lock: bool = False) -> int:
            monkeypatch.setattr(clock, "read", real)
            with database.unit_of_work() as other:
                service.cancel(other, first.id)
            third.append(pool.submit(accept))
            wait_for_blocked(database, *third)
            return real(opened, dataset_id, lock=lock)

        monkeypatch.setattr(clock, "read", meanwhile)
        second = accept()
        holder = third[0].result()

    session.rollback()
    stones = {row.sample_id: row.request_id for row in session.scalars(select(Tombstone))}
    assert stones == dict.fromkeys(both, holder.id)
    second = session.get_one(DeletionRequest, second.id)
    assert (second.staged, second.already_deleted, second.tv) == (0, 2, holder.tv)


def test_a_job_whose_requests_were_all_cancelled_ends_without_a_run(
    database: Database, session: Session
) -> None:
    factories.model(session, factories.dataset(session))
    request = factories.request(session, ["s-1"])
    make_jobs(database)
    with database.unit_of_work() as opened:
        service.cancel(opened, request.id)

    job_id = session.scalars(select(Job.id)).one()
    with database.unit_of_work() as opened:
        assert jobs.claim(opened, job_id, "test", 60) is None

    session.rollback()
    job = session.get_one(Job, job_id)
    assert (job.state, job.attempt) == (JobState.CANCELLED, 0)


def test_a_request_whose_last_model_became_invalid_meanwhile_is_settled_by_the_next_sweep(
    database: Database, session: Session, settings: Settings
) -> None:
    factories.model(session, factories.dataset(session))
    request_id = factories.request(session, ["s-1"]).id
    # As if neither transaction had seen the other.
    session.execute(text("UPDATE models SET state = 'invalid'"))
    session.commit()

    sweep(database, celery_app(settings, settings.redis_url or ""), settings)

    session.rollback()
    assert session.get_one(DeletionRequest, request_id).state == RequestState.COMPLETED
