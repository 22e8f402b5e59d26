"""Approving and rejecting versions that wait in `staging`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import clock, completion, events, publication
from service.core.errors import ConflictError
from service.core.tables import LIVE, Job, Model, ModelVersion, VersionState
from service.registry import service


class JobUnderWayError(ConflictError):
    code = "job-under-way"
    title = "A job of this model is under way"


class VersionOutdatedError(ConflictError):
    code = "version-outdated"
    title = "The model has moved on since this version was made"


def approve(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    """Publish a version that waits for review, as if it had passed its gate.

    Raises:
        IllegalMoveError: it does not wait.
        VersionOutdatedError: its parent is not the head any more.
        JobUnderWayError: a job builds on the present head; approving would pull that away.
    """
    model, version = lock(session, name, number)
    if version.state == VersionState.STAGING:
        head = clock.head(session, model.id)
        if head is None or version.parent_id != head.id:
            raise VersionOutdatedError(f"Version {number} was not made from the present version.")
        if session.scalar(select(Job.id).where(Job.model_id == model.id, Job.state.in_(LIVE))):
            raise JobUnderWayError(f"Wait until {name} has no job, or cancel it.")
    publication.promote(session, model, version)
    return model, version


def reject(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    """Refuse a version that waits for review. Its requests have failed.

    A dispatcher destroys its files, after this is committed.

    Raises:
        IllegalMoveError: it does not wait.
    """
    model, version = lock(session, name, number)
    version.move_to(VersionState.REJECTED)
    model.failed_tv = max(model.failed_tv, version.tv)
    events.record(
        session,
        "version.rejected",
        model_id=model.id,
        job_id=version.job_id,
        version=number,
        digest=version.digest,
    )
    completion.settle(session, model.dataset_id)
    return model, version


def lock(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    found = service.find_version(session, name, number)
    model = publication.lock_model(session, found.model_id)
    session.refresh(found)
    return model, found
