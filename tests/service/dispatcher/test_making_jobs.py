"""Which models get a job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.tables import Dataset, DeletionRequest, Event, Job, JobState, Model, ModelState
from service.dispatcher.service import make_job, make_jobs
from tests import factories
from tests.service.racing import at_once, in_background, wait_for_blocked


@pytest.fixture
def made(database: Database, session: Session) -> Callable[[], list[Job]]:
    """Look once for models that are behind; returns the jobs that there are then."""

    def look() -> list[Job]:
        make_jobs(database)
        session.rollback()
        return list(session.scalars(select(Job).order_by(Job.created_at)))

    return look


Made = Callable[[], list[Job]]


def test_a_model_behind_its_clock_gets_one_job_over_all_that_came_in(
    session: Session, cnn: Model, made: Made
) -> None:
    for n in range(3):
        factories.request(session, [f"s-{n}"])

    made()
    (job,) = made()

    head = factories.head(session, cnn)
    assert (job.model_id, job.parent_id, job.parent_tv, job.tv) == (cnn.id, head.id, 0, 3)
    assert (job.state, job.attempt, job.progress) == ("queued", 0, 0)
    assert len(job.commitment_salt) == 32
    assert session.scalars(select(Event.job_id).where(Event.kind == "job.queued")).all() == [job.id]


def test_every_model_of_the_dataset_gets_a_job_of_its_own(
    session: Session, digits: Dataset, made: Made
) -> None:
    for name in ("one", "two"):
        factories.model(session, digits, name)
    factories.request(session, ["s-1"])

    jobs = made()

    assert len({job.model_id for job in jobs}) == len(jobs) == 2
    assert len({(job.seed, job.commitment_salt) for job in jobs}) == 2


@pytest.mark.usefixtures("cnn")
def test_a_model_that_has_caught_up_gets_none(made: Made) -> None:
    assert made() == []


def test_a_model_that_was_trained_without_the_samples_gets_none(
    session: Session, digits: Dataset, made: Made
) -> None:
    factories.request(session, ["s-1"])
    factories.model(session, digits, tv=1)

    assert made() == []


def test_a_paused_model_gets_none_until_it_goes_on(
    session: Session, cnn: Model, made: Made
) -> None:
    factories.request(session, ["s-1"])
    cnn.paused = True
    session.commit()
    assert made() == []

    cnn.paused = False
    session.commit()
    assert len(made()) == 1


@pytest.mark.parametrize("state", [ModelState.VALIDATING, ModelState.INVALID])
def test_a_model_that_is_not_ready_gets_none(
    session: Session, cnn: Model, made: Made, state: ModelState
) -> None:
    factories.request(session, ["s-1"])
    cnn.state = state
    session.commit()

    assert made() == []


def test_a_model_whose_last_job_ended_unpublished_gets_none_until_the_clock_moves(
    session: Session, cnn: Model, made: Made
) -> None:
    factories.request(session, ["s-1"])
    cnn.held_tv = 1
    session.commit()
    assert made() == []

    factories.request(session, ["s-2"])

    (job,) = made()
    assert (job.parent_tv, job.tv) == (0, 2)  # What the held job left is in it.


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_model_with_a_live_job_gets_no_other(
    session: Session, cnn: Model, made: Made, state: JobState
) -> None:
    factories.request(session, ["s-1"])
    live = factories.job(session, cnn, factories.head(session, cnn), tv=1, state=state)
    factories.request(session, ["s-2"])

    assert [job.id for job in made()] == [live.id]


def test_requests_for_deleted_samples_only_make_no_job(
    session: Session, cnn: Model, made: Made
) -> None:
    factories.request(session, ["s-1"])
    factories.publish(session, cnn, tv=1)

    factories.request(session, ["s-1"])
    factories.request(session, ["nobody"])

    assert made() == []


def test_the_first_request_waits_for_the_batch_window(
    session: Session, digits: Dataset, made: Made
) -> None:
    factories.model(session, digits, batch_window_seconds=60)
    first = factories.request(session, ["s-1"])
    assert made() == []

    first.accepted_at = age(59)
    session.commit()
    assert made() == []

    first.accepted_at = age(61)
    session.commit()
    factories.request(session, ["s-2"])  # It joins, and does not start the window again.
    (job,) = made()
    assert job.tv == 2


def age(seconds: float) -> Any:
    return clock_now - timedelta(seconds=seconds)


def test_a_window_counts_from_what_the_head_does_not_know_yet(
    session: Session, digits: Dataset, made: Made
) -> None:
    model = factories.model(session, digits, batch_window_seconds=60)
    old = factories.request(session, ["s-1"])
    old.accepted_at = age(3600)
    session.commit()
    factories.publish(session, model, tv=1)

    factories.request(session, ["s-2"])

    assert made() == []


def test_two_dispatchers_at_once_make_one_job(
    database: Database, session: Session, digits: Dataset, made: Made
) -> None:
    for n in range(4):
        factories.model(session, digits, f"net-{n}")
    factories.request(session, ["s-1"])

    def dispatch(_number: int) -> None:
        make_jobs(database)

    at_once(4, dispatch)

    jobs = made()
    assert len({job.model_id for job in jobs}) == len(jobs) == 4


def test_a_dispatcher_passes_over_a_model_that_another_works_on(
    database: Database, session: Session, cnn: Model, made: Made
) -> None:
    factories.request(session, ["s-1"])
    with database.unit_of_work() as first:
        make_job(first, cnn.id)
        # The other neither waits for this transaction nor makes a second job.
        make_jobs(database)

    assert [job.model_id for job in made()] == [cnn.id]


def test_the_database_itself_allows_one_live_job_a_model(
    database: Database, session: Session, cnn: Model, made: Made
) -> None:
    """Where the lock does not help: the other's job is committed after this one's look."""
    factories.request(session, ["s-1"])
    live = Job(
        model_id=cnn.id,
        parent_id=factories.head(session, cnn).id,
        parent_tv=0,
        tv=1,
        seed=1,
        commitment_salt=b"salt",
    )
    session.add(live)
    session.flush()

    def dispatch() -> None:
        make_jobs(database)

    with in_background(dispatch) as dispatching:
        wait_for_blocked(database, dispatching)
        session.commit()
        dispatching.result()

    assert [job.id for job in made()] == [live.id]
    assert session.scalars(select(DeletionRequest.state)).all() == ["staged"]
