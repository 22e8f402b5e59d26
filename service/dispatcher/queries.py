"""What is due, by the database's clock. Rows that another dispatcher works on are passed over."""

from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from service.core import clock
from service.core.db import clock_now
from service.core.tables import (
    LIVE,
    Dataset,
    DatasetState,
    DeletionRequest,
    Job,
    JobState,
    Leased,
    Model,
    ModelState,
    ModelVersion,
    RequestState,
    VersionState,
)

Row = TypeVar("Row", bound=Leased)


def behind() -> Select[Model, ModelVersion, int]:
    """Models that have something to unlearn and no live job, with their head and the clock."""
    batch_window = func.make_interval(
        0, 0, 0, 0, 0, 0, Model.policy["batch_window_seconds"].as_float()
    )
    caught_up = func.greatest(ModelVersion.tv, Model.held_tv)
    waiting_since = clock.waiting_since(Dataset.id, caught_up).correlate(
        Dataset, ModelVersion, Model
    )
    live = exists().where(Job.model_id == Model.id, Job.state.in_(LIVE)).correlate(Model)
    return (
        select(Model, ModelVersion, Dataset.tv)
        .join(Dataset, Dataset.id == Model.dataset_id)
        .join(
            ModelVersion,
            and_(
                ModelVersion.model_id == Model.id,
                ModelVersion.state == VersionState.PUBLISHED,
            ),
        )
        .where(
            Model.state == ModelState.READY,
            ~Model.paused,
            ~live,
            Dataset.tv > caught_up,
            waiting_since.scalar_subquery() <= clock_now - batch_window,
        )
    )


def models_behind(session: Session) -> list[int]:
    return list(session.scalars(behind().with_only_columns(Model.id).order_by(Model.id)))


def lock_behind(session: Session, model_id: int) -> tuple[Model, ModelVersion, int] | None:
    """The model, locked, with its head and the clock, if it is still behind and free."""
    query = behind().where(Model.id == model_id)
    locked = query.with_for_update(of=Model, skip_locked=True, key_share=True)
    found = session.execute(locked).one_or_none()
    return None if found is None else (found[0], found[1], found[2])


def datasets_to_settle(session: Session) -> list[int]:
    """Datasets with a waiting request that no model is behind.

    A request can be accepted in the moment in which its last model becomes invalid: neither side
    then sees the other.
    """
    unfinished = (
        exists()
        .where(
            Model.dataset_id == DeletionRequest.dataset_id,
            Model.state != ModelState.INVALID,
            func.coalesce(
                select(ModelVersion.tv)
                .where(
                    ModelVersion.model_id == Model.id,
                    ModelVersion.state == VersionState.PUBLISHED,
                )
                .scalar_subquery(),
                Model.registered_tv,
            )
            < DeletionRequest.tv,
        )
        .correlate(DeletionRequest)
    )
    waiting = DeletionRequest.state.in_((RequestState.STAGED, RequestState.PROCESSING))
    query = select(DeletionRequest.dataset_id).where(waiting, ~unfinished).distinct()
    return list(session.scalars(query.order_by(DeletionRequest.dataset_id)))


LAPSED = and_(Job.state == JobState.RUNNING, Job.lease_until < clock_now)


def lapsed_jobs(session: Session) -> list[UUID]:
    """Running jobs whose worker has been silent for too long."""
    return list(session.scalars(select(Job.id).where(LAPSED).order_by(Job.lease_until)))


def lock_lapsed(session: Session, job_id: UUID) -> Job | None:
    """The job, locked, if its worker is still silent and no other dispatcher has it."""
    query = select(Job).where(Job.id == job_id, LAPSED)
    return session.scalar(query.with_for_update(skip_locked=True))


def to_ring(session: Session, table: type[Row], due: Any, again: timedelta) -> list[Row]:
    """Rows that nobody owns, and that no worker was told of lately."""
    query: Select[Row] = (
        select(table)
        .where(
            due,
            or_(table.lease_until.is_(None), table.lease_until < clock_now),
            or_(table.rung_at.is_(None), table.rung_at < clock_now - again),
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(session.scalars(query))


def jobs_to_ring(session: Session, again: timedelta) -> list[Job]:
    ready = or_(Job.run_after.is_(None), Job.run_after <= clock_now)
    return to_ring(session, Job, and_(Job.state == JobState.QUEUED, ready), again)


def datasets_to_ring(session: Session, again: timedelta) -> list[Dataset]:
    return to_ring(session, Dataset, Dataset.state == DatasetState.INDEXING, again)


def models_to_ring(session: Session, again: timedelta) -> list[Model]:
    return to_ring(session, Model, Model.state == ModelState.VALIDATING, again)
