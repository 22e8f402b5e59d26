"""What is read about jobs."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session, joinedload

from service.core.tables import Dataset, Job, JobState, Model, ModelVersion


@dataclass(frozen=True)
class FoundJob:
    """A job with the number of the version that it made, and the level that this has reached."""

    job: Job
    version: int | None
    level: str | None


def with_versions() -> Select[Job, int, str]:
    return (
        select(Job, ModelVersion.number, ModelVersion.audit["level"].astext)
        .join(Model, Model.id == Job.model_id)
        .outerjoin(ModelVersion, ModelVersion.job_id == Job.id)
        .options(joinedload(Job.model), joinedload(Job.parent))
    )


def by_id(session: Session, job_id: UUID) -> FoundJob | None:
    row = session.execute(with_versions().where(Job.id == job_id)).one_or_none()
    return FoundJob(*row) if row else None


def lock(session: Session, job_id: UUID) -> Job | None:
    """The job as it is now, locked."""
    query = select(Job).where(Job.id == job_id).with_for_update(key_share=True)
    return session.scalar(query)


def page(
    session: Session,
    *,
    state: JobState | None,
    model: str | None,
    dataset: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[FoundJob]:
    """The newest first."""
    query = with_versions().order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Job.state == state)
    if model is not None:
        query = query.where(Model.name == model)
    if dataset is not None:
        query = query.join(Dataset, Dataset.id == Model.dataset_id).where(Dataset.name == dataset)
    if before is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < before)
    return [FoundJob(*row) for row in session.execute(query)]
