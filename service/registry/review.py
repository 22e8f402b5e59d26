"""Approving and rejecting versions that wait in `staging`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import completion, publication
from service.core.errors import ConflictError, IllegalMoveError
from service.core.tables import LIVE, Job, Model, ModelVersion, VersionState
from service.registry import service


class JobUnderWayError(ConflictError):
    code = "job-under-way"
    title = "A job of this model is under way"


def approve(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    """Publish a version that waits for review, as if it had passed its gate.

    Raises:
        IllegalMoveError: it does not wait.
        JobUnderWayError: a job builds on the present head; approving would pull that away.
    """
    model, version = lock(session, name, number)
    if version.state != VersionState.STAGING:
        raise IllegalMoveError(
            f"Version {number} is {version.state}: only one in staging can be approved.",
            state=str(version.state),
        )
    if at_work(session, model):
        raise JobUnderWayError(f"Wait until {name} has no job: see GET /v1/jobs?model={name}.")
    publication.promote(session, model, version)
    return model, version


def reject(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    """Refuse a version that waits for review.

    The requests that it was to answer have failed, unless a job is at work on them again or
    another version that has unlearned them waits as well.

    Raises:
        IllegalMoveError: it does not wait.
    """
    model, version = lock(session, name, number)
    publication.refuse(session, version, "An operator refused it.")
    completion.give_up(session, model, version.tv)
    return model, version


def at_work(session: Session, model: Model) -> bool:
    """Whether a job of the model is queued or running."""
    live = select(Job.id).where(Job.model_id == model.id, Job.state.in_(LIVE))
    return session.scalar(live) is not None


def lock(session: Session, name: str, number: int) -> tuple[Model, ModelVersion]:
    found = service.find_version(session, name, number)
    model = publication.lock_model(session, found.model_id)
    session.refresh(found)
    return model, found
