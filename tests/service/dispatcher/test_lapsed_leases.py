"""Jobs whose worker went silent."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import clock
from service.core.attempts import BACKOFF
from service.core.db import Database, clock_now
from service.core.settings import Settings
from service.core.tables import Dataset, DeletionRequest, Event, Job, JobPhase, JobState, Model
from service.dispatcher.service import make_jobs, settle, take_back, take_back_job
from tests import factories
from tests.service.racing import in_background, released, wait_for_blocked
from workers.lifecycle import jobs

TakeBack = Callable[[], None]


@pytest.fixture
def sweep(database: Database, settings: Settings) -> TakeBack:
    def once() -> None:
        take_back(database, settings)

    return once


@pytest.fixture
def running(database: Database, session: Session, cnn: Model) -> Job:
    """A job that a worker has claimed."""
    factories.request(session, ["s-1"])
    job = factories.job(session, cnn, factories.head(session, cnn), tv=1)
    claim(database, job)
    session.refresh(job)
    return job


def claim(database: Database, job: Job) -> jobs.ClaimedJob:
    with database.unit_of_work() as session:
        row = session.get_one(Job, job.id)
        row.run_after = None
        session.flush()
        claimed = jobs.claim(session, job.id, "worker", 60)
    assert claimed is not None
    return claimed


def lapse(session: Session, job: Job) -> None:
    session.refresh(job)
    job.lease_until = clock_now - timedelta(seconds=1)
    job.phase, job.progress = JobPhase.UNLEARNING, 0.5
    session.commit()


def test_a_job_whose_lease_holds_is_left_alone(
    session: Session, running: Job, sweep: TakeBack
) -> None:
    sweep()

    session.refresh(running)
    assert (running.state, running.lease_owner) == ("running", "worker")


def test_a_job_whose_lease_lapsed_is_queued_again_with_a_growing_pause(
    database: Database, session: Session, running: Job, sweep: TakeBack
) -> None:
    pauses = []
    for _attempt in (1, 2):
        lapse(session, running)
        sweep()
        session.refresh(running)
        assert (running.state, running.lease_owner, running.lease_until) == ("queued", None, None)
        assert (running.phase, running.progress, running.rung_at) == (None, 0, None)
        now = session.scalars(select(clock_now)).one()
        assert running.run_after is not None
        pauses.append((running.run_after - now).total_seconds())
        claim(database, running)

    base = BACKOFF.total_seconds()
    assert base * 0.5 < pauses[0] <= base
    assert base < pauses[1] <= base * 2
    reasons = session.scalars(select(Event.data).where(Event.kind == "job.requeued")).all()
    assert [reason["reason"] for reason in reasons] == ["The worker stopped answering."] * 2
    assert [reason["reason_code"] for reason in reasons] == ["worker_lost"] * 2


@pytest.mark.usefixtures("running")
def test_a_job_cannot_be_claimed_before_its_pause_is_over(
    database: Database, session: Session, running: Job, sweep: TakeBack
) -> None:
    lapse(session, running)
    sweep()

    with database.unit_of_work() as other:
        assert jobs.claim(other, running.id, "worker", 60) is None


def test_a_job_fails_with_its_requests_after_its_last_attempt(
    database: Database, session: Session, running: Job, sweep: TakeBack, settings: Settings
) -> None:
    for attempt in range(settings.max_attempts):
        session.refresh(running)
        assert (running.state, running.attempt) == ("running", attempt + 1)
        lapse(session, running)
        sweep()
        session.refresh(running)
        if running.state == JobState.QUEUED:
            claim(database, running)

    assert (running.state, running.lease_owner) == ("failed", None)
    assert running.reason == "The worker stopped answering. It was tried 3 times."
    assert running.reason_code == "worker_lost"
    assert running.finished_at is not None
    session.expire_all()
    assert session.scalars(select(DeletionRequest.state)).all() == ["failed"]
    model = session.scalars(select(Model)).one()
    assert (model.held_tv, model.failed_tv) == (1, 1)
    make_jobs(database)
    assert len(session.scalars(select(Job)).all()) == 1


def test_what_another_dispatcher_takes_back_is_passed_over(
    database: Database, session: Session, running: Job, sweep: TakeBack, settings: Settings
) -> None:
    lapse(session, running)
    with database.unit_of_work() as first:
        take_back_job(first, running.id, settings)
        sweep()

    assert len(session.scalars(select(Event.id).where(Event.kind == "job.requeued")).all()) == 1


@pytest.fixture
def two_datasets(database: Database, session: Session) -> list[Dataset]:
    """Each with a job that is at its last attempt and whose lease lapsed, the first one's first."""
    made = []
    for n, name in enumerate(("one", "two")):
        made.append(factories.dataset(session, name))
        model = factories.model(session, made[-1], f"net-{name}")
        factories.request(session, ["s-1"], name)
        job = factories.job(session, model, factories.head(session, model), tv=1, attempt=2)
        claim(database, job)
        session.refresh(job)
        job.lease_until = clock_now - timedelta(seconds=10 - n)
        session.commit()
    return made


def test_a_dispatcher_that_waits_for_one_job_has_let_go_of_the_others(
    database: Database, session: Session, two_datasets: list[Dataset], settings: Settings
) -> None:
    """Else two dispatchers that each have a job and want the other's dataset wait in a circle."""
    first, second = two_datasets
    clock.read(session, second.id, lock=True)

    with in_background(lambda: take_back(database, settings)) as taking, released(session):
        wait_for_blocked(database, taking)
        with database.unit_of_work() as other:
            assert other.scalars(select(Job.state).order_by(Job.created_at)).all() == [
                "failed",
                "running",
            ]
            assert other.scalars(
                select(DeletionRequest.state).where(DeletionRequest.dataset_id == first.id)
            ).all() == ["failed"]
        session.commit()
        taking.result()

    assert session.scalars(select(DeletionRequest.state)).all() == ["failed", "failed"]


def test_a_dispatcher_that_waits_for_one_dataset_has_let_go_of_the_others(
    database: Database, session: Session, two_datasets: list[Dataset]
) -> None:
    first, second = two_datasets
    session.execute(update(Model).values(state="invalid"))
    session.commit()
    clock.read(session, second.id, lock=True)

    with in_background(lambda: settle(database)) as settling, released(session):
        wait_for_blocked(database, settling)
        with database.unit_of_work() as other:
            states = dict(
                other.execute(select(DeletionRequest.dataset_id, DeletionRequest.state)).all()
            )
        assert states == {first.id: "completed", second.id: "processing"}
        session.commit()
        settling.result()

    assert session.scalars(select(DeletionRequest.state)).all() == ["completed", "completed"]
