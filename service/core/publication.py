"""What publishing, approving and rejecting a version have in common."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import clock, completion
from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.tables import Alias, Job, JobState, Model, ModelVersion, VersionState

CHAMPION = "champion"


def lock_model(session: Session, model_id: int) -> Model:
    """The model's row as it is now, locked: its versions are numbered and published one by one.

    A session that saw the row before it waited for the lock would else go by what it saw then.
    """
    query = select(Model).where(Model.id == model_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def promote(session: Session, model: Model, version: ModelVersion) -> None:
    """Make a staged version the head of its lineage, and complete the requests that it answers.

    Versions of the old head that still wait for review are rejected: they can never follow the
    new one, and they hold what it has forgotten. The model's row must be locked.
    """
    parent = clock.head(session, model.id)
    if parent is not None:
        parent.move_to(VersionState.SUPERSEDED)
        parent.superseded_at = clock_now
        session.flush()  # A lineage has one head: the old one goes before the new one comes.
    version.move_to(VersionState.PUBLISHED)
    version.published_at = clock_now
    decide(session, version, JobState.PUBLISHED)
    point(session, model, CHAMPION, version)
    session.flush()
    overtaken = waiting_for_review(session, model)
    for left in overtaken:
        refuse(session, left, f"Version {version.number} was published instead.")
    # What they would have answered beyond this version is to be unlearned from the new head,
    # together with what later jobs were given up on.
    if any(left.tv > version.tv for left in overtaken):
        model.failed_tv = 0
    model.held_tv = model.failed_tv
    published = kinds.VersionPublished(
        model_id=model.id,
        job_id=version.job_id,
        version=version.number,
        digest=version.digest,
        tv=version.tv,
    )
    record(session, published)
    moved = kinds.AliasMoved(
        model_id=model.id,
        alias=CHAMPION,
        version=version.number,
        digest=version.digest,
        tv=version.tv,
    )
    record(session, moved)
    completion.settle(session, model.dataset_id)


def waiting_for_review(session: Session, model: Model) -> list[ModelVersion]:
    """The staged versions of a model, the oldest first."""
    staged = ModelVersion.state == VersionState.STAGING
    query = select(ModelVersion).where(ModelVersion.model_id == model.id, staged)
    return list(session.scalars(query.order_by(ModelVersion.number)))


def refuse(session: Session, version: ModelVersion, reason: str) -> None:
    """Reject a staged version. A dispatcher destroys its files once this is committed."""
    version.move_to(VersionState.REJECTED)
    decide(session, version, JobState.FAILED)
    rejected = kinds.VersionRejected(
        model_id=version.model_id,
        job_id=version.job_id,
        version=version.number,
        digest=version.digest,
        tv=version.tv,
        reason=reason,
    )
    record(session, rejected)


def decide(session: Session, version: ModelVersion, state: JobState) -> None:
    """End the job that made a version and waits for somebody's decision about it.

    It keeps the reason why it waited. Nobody else locks such a job: it is claimed by no worker.
    """
    job = session.get(Job, version.job_id) if version.job_id else None
    if job is None or job.state != JobState.NEEDS_REVIEW:
        return  # Its own job publishes it at this moment, or it was registered.
    job.move_to(state)
    job.progress = 1.0


def point(session: Session, model: Model, name: str, version: ModelVersion) -> None:
    """Move an alias, or make it."""
    new = insert(Alias).values(model_id=model.id, name=name, version_id=version.id)
    moved = {
        "version_id": new.excluded.version_id,
        "revision": Alias.revision + 1,
        "moved_at": clock_now,
    }
    session.execute(new.on_conflict_do_update(index_elements=["model_id", "name"], set_=moved))
