"""From a finished run to a version."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import (
    Alias,
    DeletionRequest,
    Event,
    Job,
    Model,
    ModelVersion,
    VersionState,
)
from service.dispatcher.service import make_jobs
from tests import factories
from tests.service.racing import at_once
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import ClaimedJob
from workers.lifecycle.leases import LeaseLostError
from workers.lifecycle.publishing import LineageError
from workers.plan import Unlearned

Claim = Callable[[Job], ClaimedJob]
Publish = Callable[[ClaimedJob, Unlearned], ModelVersion]


@pytest.fixture
def publish(database: Database) -> Publish:
    def once(claimed: ClaimedJob, outcome: Unlearned) -> ModelVersion:
        with database.unit_of_work() as session:
            return publishing.publish(session, claimed, outcome)

    return once


def champion(session: Session) -> tuple[int, int]:
    """The number of the version behind the alias, and how often it was moved."""
    session.expire_all()
    alias = session.scalars(select(Alias)).one()
    return alias.version.number, alias.revision


def test_a_version_that_passed_is_published_and_completes_the_requests(
    session: Session, job: Job, claim: Claim, publish: Publish, request_1: DeletionRequest
) -> None:
    outcome = factories.unlearned()

    publish(claim(job), outcome)

    session.expire_all()
    parent, version = session.scalars(select(ModelVersion).order_by(ModelVersion.number))
    assert (version.number, version.state, version.tv) == (2, "published", 1)
    assert (version.parent_id, version.job_id) == (parent.id, job.id)
    assert version.digest == outcome.written.digest
    assert version.files == [file.model_dump() for file in outcome.written.files]
    assert version.published_at is not None
    assert parent.state == "superseded"
    assert champion(session) == (2, 2)
    assert (job.state, job.progress, job.reason) == ("published", 1, None)
    assert job.reason_code is None
    assert (job.lease_owner, job.lease_until) == (None, None)
    assert job.finished_at is not None
    assert (request_1.state, request_1.unlearned) == ("completed", True)


@pytest.mark.parametrize("reasons", [[], ["It agrees too little."]])
def test_the_job_keeps_the_commitment_to_what_its_version_forgot(
    database: Database,
    session: Session,
    job: Job,
    claim: Claim,
    publish: Publish,
    reasons: list[str],
) -> None:
    claimed = claim(job)
    with database.unit_of_work() as other:
        commitment = jobs.read_forget_set(other, claimed).commitment

    outcome = factories.unlearned(*reasons).model_copy(update={"commitment": commitment})
    publish(claimed, outcome)

    session.refresh(job)
    assert job.commitment == commitment


def test_publishing_is_told_in_the_history_without_any_sample(
    session: Session, job: Job, claim: Claim, publish: Publish
) -> None:
    publish(claim(job), factories.unlearned())

    events = session.scalars(select(Event).order_by(Event.id)).all()
    kinds = {event.kind for event in events}
    assert {"job.published", "alias.moved", "request.completed"} <= kinds
    assert "s-1" not in repr([event.data for event in events])


def test_a_job_publishes_once(session: Session, job: Job, claim: Claim, publish: Publish) -> None:
    claimed = claim(job)
    publish(claimed, factories.unlearned())

    with pytest.raises(LeaseLostError):
        publish(claimed, factories.unlearned())

    assert champion(session) == (2, 2)


def test_of_two_that_publish_one_job_at_once_one_does(
    session: Session, job: Job, claim: Claim, publish: Publish
) -> None:
    claimed = claim(job)

    def worker(_number: int) -> str:
        try:
            publish(claimed, factories.unlearned())
        except LeaseLostError:
            return "lost"
        return "published"

    assert sorted(at_once(4, worker)) == ["lost", "lost", "lost", "published"]
    assert champion(session) == (2, 2)


def test_the_database_itself_allows_one_version_a_job(
    session: Session, job: Job, cnn: Model, claim: Claim, publish: Publish
) -> None:
    publish(claim(job), factories.unlearned())
    second = factories.version(session, cnn, number=3, tv=1, state=VersionState.STAGING)
    second.job_id = job.id

    with pytest.raises(IntegrityError, match="uq_model_versions_job_id"):
        session.flush()


def test_the_database_itself_allows_one_head_a_model(session: Session, cnn: Model) -> None:
    with pytest.raises(IntegrityError, match="uq_model_versions_published"):
        factories.version(session, cnn, number=2, tv=1)


def assert_waits(session: Session, job: Job, request: DeletionRequest) -> None:
    session.expire_all()
    parent, version = session.scalars(select(ModelVersion).order_by(ModelVersion.number))
    assert (version.state, version.published_at) == ("staging", None)
    assert parent.state == "published"
    assert champion(session) == (1, 1)
    assert job.state == "needs_review"
    assert (job.lease_owner, job.finished_at is not None) == (None, True)
    assert (request.state, request.unlearned) == ("processing", False)


def test_a_version_that_did_not_pass_waits_and_nothing_else_changes(
    session: Session, job: Job, claim: Claim, publish: Publish, request_1: DeletionRequest
) -> None:
    publish(claim(job), factories.unlearned("Agreement is 0.9.", "At least 0.97 is wanted."))

    assert_waits(session, job, request_1)
    assert job.reason == "Agreement is 0.9. At least 0.97 is wanted."
    assert job.reason_code == "gate_not_passed"


def test_a_model_whose_policy_asks_for_approval_waits_too(
    session: Session,
    job: Job,
    cnn: Model,
    claim: Claim,
    publish: Publish,
    request_1: DeletionRequest,
) -> None:
    cnn.policy = {**cnn.policy, "auto_promote": False}
    session.commit()

    publish(claim(job), factories.unlearned())

    assert_waits(session, job, request_1)
    assert job.reason == "The model's policy asks for approval."
    assert job.reason_code == "approval_wanted"


def test_while_a_version_waits_there_is_no_new_job_until_the_clock_moves(
    database: Database, session: Session, job: Job, claim: Claim, publish: Publish
) -> None:
    publish(claim(job), factories.unlearned("no"))

    def queued() -> list[tuple[int, int]]:
        make_jobs(database)
        session.rollback()
        found = session.scalars(select(Job).where(Job.state == "queued"))
        return [(one.parent_tv, one.tv) for one in found]

    assert queued() == []
    factories.request(session, ["s-3"])
    assert queued() == [(0, 2)]  # The samples of the held job are in the new one.


def test_a_version_made_from_what_is_not_the_head_any_more_is_refused(
    session: Session, job: Job, cnn: Model, claim: Claim, publish: Publish
) -> None:
    claimed = claim(job)
    factories.publish(session, cnn, tv=1)

    with pytest.raises(LineageError):
        publish(claimed, factories.unlearned())

    assert champion(session)[0] == 2


def test_a_publication_that_is_rolled_back_leaves_nothing_and_can_be_repeated(
    database: Database, session: Session, job: Job, claim: Claim, publish: Publish
) -> None:
    claimed = claim(job)
    with database.session() as other:
        publishing.publish(other, claimed, factories.unlearned())
        other.flush()
        other.rollback()
    assert champion(session) == (1, 1)

    publish(claimed, factories.unlearned())

    assert champion(session) == (2, 2)


def test_the_next_job_starts_from_the_new_version(
    database: Database, session: Session, job: Job, cnn: Model, claim: Claim, publish: Publish
) -> None:
    publish(claim(job), factories.unlearned())
    factories.request(session, ["s-3"])
    second = claim(factories.job(session, cnn, factories.head(session, cnn), tv=2))

    assert (second.parent.number, second.job.parent_tv, second.job.tv) == (2, 1, 2)
    with database.unit_of_work() as other:
        assert jobs.read_forget_set(other, second).forgotten.tolist() == [3]
