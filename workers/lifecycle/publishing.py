"""From a finished run to a version: one transaction, behind the fence."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import attempts, clock
from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.publication import CHAMPION, lock_model, point, promote
from service.core.tables import (
    Job,
    JobReason,
    JobState,
    Model,
    ModelVersion,
    VersionState,
)
from workers.lifecycle.jobs import ClaimedJob, lock
from workers.lifecycle.leases import CancelledError
from workers.plan import Unlearned, Written


class LineageError(RuntimeError):
    """The model's head is not the version that the job started from."""


def next_number(session: Session, model: Model) -> int:
    """The number after the newest version's. The model's row must be locked."""
    query = select(func.coalesce(func.max(ModelVersion.number), 0) + 1)
    return session.scalars(query.where(ModelVersion.model_id == model.id)).one()


def publish(session: Session, claimed: ClaimedJob, outcome: Unlearned) -> ModelVersion:
    """Insert the version; if it passed, move the alias to it and complete the requests.

    A version that did not pass waits in `staging` for review, and nothing else changes.

    Raises:
        LeaseLostError: the job is another worker's by now: it will publish, or has.
        CancelledError: somebody asked the job to stop, and was told that it would.
        LineageError: somebody published in between.
    """
    job = lock(session, claimed)
    if job.cancel_requested_at is not None:
        raise CancelledError(f"Job {job.id} was asked to stop before it published.")
    model = lock_model(session, job.model_id)
    parent = clock.head(session, model.id)
    if parent is None or parent.id != job.parent_id:
        raise LineageError(f"Job {job.id} started from a version that is not the head any more.")
    good = outcome.passed and claimed.policy.auto_promote
    version = ModelVersion(
        model=model,
        number=next_number(session, model),
        parent=parent,
        job_id=job.id,
        digest=outcome.written.digest,
        tv=job.tv,
        state=VersionState.STAGING,
        files=[file.model_dump() for file in outcome.written.files],
        audit=outcome.audit,
    )
    session.add(version)
    # The version's files say it too, and are destroyed one day; the evidence must outlive them.
    job.commitment = outcome.commitment
    session.flush()
    if good:
        close_published(session, job, version, outcome)
        promote(session, model, version)
    else:
        hold_for_review(session, job, model, version, outcome)
    return version


def close_published(session: Session, job: Job, version: ModelVersion, outcome: Unlearned) -> None:
    job.move_to(JobState.PUBLISHED)
    job.progress = 1.0
    attempts.close(job, None, None)
    published = kinds.JobPublished(
        **kinds.about(job),
        version=version.number,
        target_level=job.target_level,
        level=outcome.audit["level"],
    )
    record(session, published)


def hold_for_review(
    session: Session,
    job: Job,
    model: Model,
    version: ModelVersion,
    outcome: Unlearned,
) -> None:
    job.move_to(JobState.NEEDS_REVIEW)
    if outcome.passed:
        attempts.close(job, JobReason.APPROVAL_WANTED, "The model's policy asks for approval.")
    else:
        attempts.close(job, JobReason.GATE_NOT_PASSED, " ".join(outcome.reasons))
    model.held_tv = job.tv
    waiting = kinds.JobNeedsReview(
        **kinds.about(job),
        version=version.number,
        target_level=job.target_level,
        level=outcome.audit["level"],
        reason=job.reason,
        reason_code=job.reason_code,
    )
    record(session, waiting)


def first_version(session: Session, model: Model, written: Written) -> ModelVersion:
    """Version 1: the model as it was registered."""
    version = ModelVersion(
        model=model,
        number=next_number(session, model),
        parent=None,
        digest=written.digest,
        tv=model.registered_tv,
        state=VersionState.PUBLISHED,
        published_at=clock_now,
        files=[file.model_dump() for file in written.files],
        audit=None,
    )
    session.add(version)
    session.flush()
    point(session, model, CHAMPION, version)
    return version
