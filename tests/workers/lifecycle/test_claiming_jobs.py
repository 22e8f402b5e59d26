"""Who gets a job, and what the claim makes of it."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Dataset, DeletionRequest, Event, Job, JobState, Model
from tests import factories
from tests.service.racing import at_once, in_background, released, wait_for_blocked
from workers.lifecycle import jobs
from workers.lifecycle.jobs import ClaimedJob

Claim = Callable[[Job], ClaimedJob]


def test_of_many_workers_that_claim_a_job_one_gets_it(
    database: Database, session: Session, job: Job
) -> None:
    def worker(number: int) -> ClaimedJob | None:
        with database.unit_of_work() as other:
            return jobs.claim(other, job.id, f"worker {number}", 60)

    claims = at_once(6, worker)

    (won,) = [claimed for claimed in claims if claimed is not None]
    session.refresh(job)
    assert (job.state, job.fence, job.attempt) == ("running", 1, 1)
    assert (won.fence, won.attempt, won.job.lease_owner) == (1, 1, job.lease_owner)
    assert session.scalars(select(Event.kind).where(Event.job_id == job.id)).all() == [
        "job.started"
    ]


def test_a_claim_brings_the_job_up_to_the_clock(
    session: Session, job: Job, claim: Claim, request_1: DeletionRequest
) -> None:
    late = factories.request(session, ["s-3"])

    claimed = claim(job)

    session.expire_all()
    assert (claimed.job.parent_tv, claimed.job.tv, claimed.parent.number) == (0, 2, 1)
    assert (request_1.state, late.state) == ("processing", "processing")


def test_a_request_that_comes_after_the_claim_is_neither_forgotten_nor_trained_on(
    database: Database, session: Session, job: Job, claim: Claim
) -> None:
    """Promise: from the acceptance on, no training may read the samples."""
    claimed = claim(job)
    late = factories.request(session, ["s-3"])

    with database.unit_of_work() as other:
        forget_set = jobs.read_forget_set(other, claimed)

    assert forget_set.forgotten.tolist() == [1, 2]
    assert forget_set.excluded.tolist() == [1, 2, 3]
    assert (claimed.job.tv, forget_set.excluded_tv) == (1, late.tv)
    assert late.state == "staged"


def test_a_lease_is_kept_by_the_databases_clock(session: Session, job: Job, claim: Claim) -> None:
    claim(job)

    assert 50 < factories.seconds_left(session, job) <= 60


@pytest.mark.parametrize("state", [state for state in JobState if state != JobState.QUEUED])
def test_only_a_queued_job_can_be_claimed(
    database: Database, session: Session, job: Job, state: JobState
) -> None:
    job.state = state
    session.commit()

    with database.unit_of_work() as other:
        assert jobs.claim(other, job.id, "worker", 60) is None


def test_the_job_of_a_paused_model_is_not_claimed(
    database: Database, session: Session, cnn: Model, job: Job
) -> None:
    cnn.paused = True
    session.commit()

    with database.unit_of_work() as other:
        assert jobs.claim(other, job.id, "worker", 60) is None
    session.refresh(job)
    assert (job.state, job.fence) == ("queued", 0)


def test_a_claim_that_waits_for_the_kill_switch_obeys_it(
    database: Database, session: Session, cnn: Model, job: Job
) -> None:
    def claim() -> ClaimedJob | None:
        with database.unit_of_work() as other:
            return jobs.claim(other, job.id, "worker", 60)

    cnn.paused = True
    session.flush()
    with in_background(claim) as claiming, released(session):
        wait_for_blocked(database, claiming)
        session.commit()
        assert claiming.result() is None

    session.refresh(job)
    assert (job.state, job.fence) == ("queued", 0)


def test_a_later_job_forgets_what_its_parent_did_not_and_excludes_all(
    database: Database, session: Session, cnn: Model, request_1: DeletionRequest, claim: Claim
) -> None:
    factories.publish(session, cnn, tv=request_1.tv)
    factories.request(session, ["s-2", "s-7"])
    job = factories.job(session, cnn, factories.head(session, cnn), tv=2)

    with database.unit_of_work() as other:
        forget_set = jobs.read_forget_set(other, claim(job))

    assert forget_set.forgotten.tolist() == [7]
    assert forget_set.excluded.tolist() == [1, 2, 7]


def commitment(salt: bytes, *sample_ids: str) -> str:
    """HMAC-SHA256 over the IDs in byte order, each after its length in 4 bytes."""
    seal = hmac.new(salt, digestmod=hashlib.sha256)
    for sample_id in sample_ids:
        seal.update(len(sample_id.encode()).to_bytes(4, "little") + sample_id.encode())
    return seal.hexdigest()


def test_the_commitment_is_an_hmac_that_only_the_jobs_salt_opens(
    database: Database, session: Session, job: Job, claim: Claim, digits: Dataset
) -> None:
    assert digits.id == job.model.dataset_id
    factories.samples(session, ["ünï"])
    factories.request(session, ["ünï"])
    claimed = claim(job)

    def commit(salt: bytes) -> str:
        claimed.job.commitment_salt = salt
        with database.unit_of_work() as other:
            return jobs.read_forget_set(other, claimed).commitment

    assert commit(b"salt") == commitment(b"salt", "s-1", "s-2", "ünï")
    assert commit(b"other") == commitment(b"other", "s-1", "s-2", "ünï")
    assert commit(b"salt") != commit(b"other")
    assert commit(b"salt") != hashlib.sha256(b"s-1s-2").hexdigest()
