"""Attempts that end without a version, and models and datasets that are refused."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Dataset, DatasetState, DeletionRequest, Event, Job, JobReason, Model
from service.dispatcher.service import make_jobs
from tests import factories
from workers.lifecycle import datasets, jobs, models, publishing
from workers.lifecycle.jobs import ClaimedJob
from workers.lifecycle.leases import LeaseLostError

Claim = Callable[[Job], ClaimedJob]


def test_a_worker_that_shuts_down_gives_its_job_back_and_the_attempt_does_not_count(
    database: Database, session: Session, job: Job, claim: Claim
) -> None:
    for _restart in range(5):
        with database.unit_of_work() as other:
            jobs.give_back(other, claim(job))

    session.refresh(job)
    assert (job.state, job.attempt, job.fence) == ("queued", 0, 5)
    assert (job.lease_owner, job.rung_at, job.run_after) == (None, None, None)
    told = session.scalars(select(Event.data).where(Event.kind == "job.requeued")).all()
    assert [data["reason_code"] for data in told] == ["worker_stopped"] * 5


def test_an_attempt_that_failed_counts_and_the_last_one_fails_the_job(
    database: Database,
    session: Session,
    job: Job,
    cnn: Model,
    claim: Claim,
    request_1: DeletionRequest,
) -> None:
    states = []
    for _attempt in range(3):
        with database.unit_of_work() as other:
            jobs.put_back(other, claim(job), JobReason.OUT_OF_MEMORY, "Out of memory.", 3)
        session.expire_all()
        states.append((job.state, request_1.state))

    assert states == [("queued", "processing"), ("queued", "processing"), ("failed", "failed")]
    assert job.reason == "Out of memory. It was tried 3 times."
    assert job.reason_code == "out_of_memory"
    assert (cnn.held_tv, cnn.failed_tv) == (1, 1)


def test_a_job_that_cannot_succeed_fails_at_once(
    database: Database, session: Session, job: Job, claim: Claim, request_1: DeletionRequest
) -> None:
    with database.unit_of_work() as other:
        jobs.fail(other, claim(job), JobReason.REFUSED, "The files have changed.")

    session.expire_all()
    assert (job.state, job.reason) == ("failed", "The files have changed.")
    assert request_1.state == "failed"


def next_job(database: Database, session: Session) -> Job:
    make_jobs(database)
    session.rollback()
    return session.scalars(select(Job).where(Job.state == "queued")).one()


def test_the_samples_of_a_failed_job_fall_to_the_next_one(
    database: Database, session: Session, job: Job, claim: Claim, request_1: DeletionRequest
) -> None:
    with database.unit_of_work() as other:
        jobs.fail(other, claim(job), JobReason.REFUSED, "no")
    request_2 = factories.request(session, ["s-3"])

    claimed = claim(next_job(database, session))
    session.expire_all()
    assert (request_1.state, request_2.state) == ("processing", "processing")
    with database.unit_of_work() as other:
        assert jobs.read_forget_set(other, claimed).forgotten.tolist() == [1, 2, 3]
    with database.unit_of_work() as other:
        publishing.publish(other, claimed, factories.unlearned())

    session.expire_all()
    assert (request_1.state, request_2.state) == ("completed", "completed")
    assert request_1.unlearned


def test_a_cancelled_job_fails_its_requests_and_they_fall_to_the_next_one(
    database: Database, session: Session, job: Job, claim: Claim, request_1: DeletionRequest
) -> None:
    """Nothing would ever work on them again by itself, and they must not look as if it did."""
    with database.unit_of_work() as other:
        jobs.cancel(other, claim(job))
    session.expire_all()
    assert (job.state, request_1.state) == ("cancelled", "failed")

    factories.request(session, ["s-3"])

    following = next_job(database, session)
    assert following.parent_tv == 0
    claim(following)
    session.expire_all()
    assert request_1.state == "processing"


@pytest.fixture
def claimed_model(database: Database, session: Session, cnn: Model) -> models.ClaimedModel:
    factories.unpublish(session, cnn)
    with database.unit_of_work() as other:
        claimed = models.claim(other, cnn.id, "worker", 60)
    assert claimed is not None
    return claimed


def test_a_validated_model_gets_version_1_and_an_alias(
    database: Database, session: Session, cnn: Model, claimed_model: models.ClaimedModel
) -> None:
    with database.unit_of_work() as other:
        assert models.claim(other, cnn.id, "another", 60) is None
    with database.unit_of_work() as other:
        models.accept(other, claimed_model, factories.unlearned().written)

    session.refresh(cnn)
    head = factories.head(session, cnn)
    assert (cnn.state, cnn.lease_owner) == ("ready", None)
    assert (head.number, head.state, head.tv, head.parent_id) == (1, "published", 0, None)
    with database.unit_of_work() as other, pytest.raises(LeaseLostError):
        models.accept(other, claimed_model, factories.unlearned().written)


def test_a_request_waits_no_longer_for_a_model_that_is_refused(
    database: Database, session: Session, cnn: Model, claimed_model: models.ClaimedModel
) -> None:
    request = factories.request(session, ["s-1"])
    assert request.state == "staged"

    with database.unit_of_work() as other:
        models.refuse(other, claimed_model, JobReason.REFUSED, "There is no model.safetensors.")

    session.expire_all()
    assert (cnn.state, cnn.reason) == ("invalid", "There is no model.safetensors.")
    assert cnn.reason_code == "refused"
    assert (request.state, request.unlearned) == ("completed", False)


def test_a_validation_is_tried_again_and_refused_after_the_last_try(
    database: Database, session: Session, cnn: Model, claimed_model: models.ClaimedModel
) -> None:
    claimed: models.ClaimedModel | None = claimed_model
    states = []
    for _attempt in range(2):
        assert claimed is not None
        with database.unit_of_work() as other:
            models.put_back(other, claimed, JobReason.KILLED, "It crashed.", 2)
        session.expire_all()
        states.append(cnn.state)
        with database.unit_of_work() as other:
            claimed = models.claim(other, cnn.id, "worker", 60)

    assert states == ["validating", "invalid"]
    assert claimed is None
    assert (cnn.reason, cnn.reason_code) == ("It crashed. It was tried 2 times.", "killed")


def test_a_dataset_is_indexed_by_one_worker_behind_a_fence(
    database: Database, session: Session
) -> None:
    dataset: Dataset = factories.dataset(session, state=DatasetState.INDEXING)
    with database.unit_of_work() as other:
        old = datasets.claim(other, dataset.id, "one", 0)
    with database.unit_of_work() as other:
        new = datasets.claim(other, dataset.id, "two", 60)
    assert old is not None
    assert new is not None

    with database.unit_of_work() as other, pytest.raises(LeaseLostError):
        datasets.accept(other, old, 3, [], None)
    with database.unit_of_work() as other:
        datasets.accept(other, new, 3, [], None)

    session.refresh(dataset)
    assert (dataset.state, dataset.rows, dataset.lease_owner) == ("ready", 3, None)
