"""What is read about deletion requests."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    cast,
    false,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, joinedload

from service.core.policy import Policy
from service.core.tables import (
    Dataset,
    DatasetState,
    DeletionRequest,
    DeletionRequestSample,
    Disposition,
    Event,
    Job,
    Model,
    ModelState,
    ModelVersion,
    RequestState,
    VersionState,
)

# Its lists of files would be read with every poll, and may be long.
WITH_NAME = joinedload(DeletionRequest.dataset).load_only(Dataset.name, raiseload=True)
SETTLED = (RequestState.COMPLETED, RequestState.CANCELLED)


def by_id(session: Session, request_id: UUID) -> DeletionRequest | None:
    query = select(DeletionRequest).options(WITH_NAME).where(DeletionRequest.id == request_id)
    return session.scalar(query)


def lock(session: Session, request_id: UUID) -> DeletionRequest:
    """The request as it is now, locked."""
    query = (
        select(DeletionRequest)
        .where(DeletionRequest.id == request_id)
        .with_for_update(of=DeletionRequest)
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one()


def is_overdue() -> ColumnElement[bool]:
    return and_(DeletionRequest.due_at < func.now(), DeletionRequest.state.not_in(SETTLED))


def page(
    session: Session,
    *,
    state: RequestState | None,
    dataset: str | None,
    overdue: bool | None,
    client_reference: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[DeletionRequest]:
    """The newest first."""
    query = (
        select(DeletionRequest)
        .join(DeletionRequest.dataset)
        .options(WITH_NAME)
        .order_by(DeletionRequest.accepted_at.desc(), DeletionRequest.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(DeletionRequest.state == state)
    if dataset is not None:
        query = query.where(Dataset.name == dataset)
    if client_reference is not None:
        query = query.where(DeletionRequest.client_reference == client_reference)
    if overdue is not None:
        late = func.coalesce(is_overdue(), False)
        query = query.where(late if overdue else ~late)
    if before is not None:
        place = tuple_(DeletionRequest.accepted_at, DeletionRequest.id)
        query = query.where(place < before)
    return list(session.scalars(query))


def is_served(request: DeletionRequest) -> ColumnElement[bool]:
    """Its clock alone does not tell: later jobs pass over the reading of a cancelled request."""
    return false() if request.state == RequestState.CANCELLED else true()


def jobs_of(request: DeletionRequest) -> Select[Job]:
    """The jobs whose forget set holds this request's samples: none, once it is cancelled."""
    return (
        select(Job)
        .join(Model, Model.id == Job.model_id)
        .where(
            is_served(request),
            Model.dataset_id == request.dataset_id,
            Job.parent_tv < request.tv,
            Job.tv >= request.tv,
        )
    )


def jobs(session: Session, request: DeletionRequest) -> list[tuple[Job, int | None]]:
    """Its jobs, oldest first, each with the number of the version that it made."""
    query = (
        jobs_of(request)
        .options(joinedload(Job.model))
        .outerjoin(ModelVersion, ModelVersion.job_id == Job.id)
        .add_columns(ModelVersion.number)
        .order_by(Job.created_at, Job.id)
    )
    return [(job, number) for job, number in session.execute(query)]


def answering_versions(session: Session, request: DeletionRequest) -> list[ModelVersion]:
    """Of each model, the first version that has unlearned the request, unless it is cancelled."""
    kept = (VersionState.PUBLISHED, VersionState.SUPERSEDED, VersionState.DESTROYED)
    query = (
        select(ModelVersion)
        .join(ModelVersion.model)
        .options(joinedload(ModelVersion.model))
        .where(
            is_served(request),
            Model.dataset_id == request.dataset_id,
            ModelVersion.tv >= request.tv,
            ModelVersion.state.in_(kept),
        )
        .ext(distinct_on(Model.name))
        .order_by(Model.name, ModelVersion.number)
    )
    return list(session.scalars(query))


class Target(NamedTuple):
    """What a request is accepted against: a dataset, and the models that are trained on it.

    `now` is when the transaction began, which `accepted_at` will be.
    """

    dataset_id: int
    state: DatasetState
    reason: str | None
    rows: int | None
    policies: list[Policy]
    now: datetime


TARGET = text(
    """
    SELECT id, state, reason, rows,
           ARRAY(SELECT policy FROM models WHERE dataset_id = datasets.id AND state <> 'invalid'),
           now()
    FROM datasets WHERE name = :name
    """
)


def target(session: Session, dataset: str) -> Target | None:
    """All that is looked at before a request is accepted, in one statement."""
    found = session.connection().execute(TARGET, {"name": dataset}).one_or_none()
    if found is None:
        return None
    dataset_id, state, reason, rows, policies, now = found
    valid = [Policy.model_validate(policy) for policy in policies]
    return Target(dataset_id, DatasetState(state), reason, rows, valid, now)


def models(session: Session, dataset_id: int) -> int:
    """How many models are trained on a dataset."""
    query = select(func.count()).where(
        Model.dataset_id == dataset_id, Model.state != ModelState.INVALID
    )
    return session.scalars(query).one()


def models_behind(session: Session, request: DeletionRequest) -> list[str]:
    """The names of the models that have not been unlearned up to a request."""
    published = ModelVersion.state == VersionState.PUBLISHED
    query = (
        select(Model.name)
        .outerjoin(ModelVersion, (ModelVersion.model_id == Model.id) & published)
        .where(
            Model.dataset_id == request.dataset_id,
            Model.state != ModelState.INVALID,
            func.coalesce(ModelVersion.tv, Model.registered_tv) < request.tv,
        )
        .order_by(Model.name)
    )
    return list(session.scalars(query))


def lock_models(session: Session, dataset_id: int) -> list[Model]:
    """All models of a dataset as they are now, locked in one order by everybody.

    The condition is on what never changes: one on `failed_tv` would be tested against a snapshot
    that is older than the lock, and would miss the model whose job fails at this moment.
    """
    query = (
        select(Model)
        .where(Model.dataset_id == dataset_id)
        .order_by(Model.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def samples(
    session: Session,
    request: DeletionRequest,
    *,
    stored: Disposition | None,
    after: int,
    limit: int,
) -> list[DeletionRequestSample]:
    query = (
        select(DeletionRequestSample)
        .where(
            DeletionRequestSample.request_id == request.id, DeletionRequestSample.position > after
        )
        .order_by(DeletionRequestSample.position)
        .limit(limit)
    )
    if stored is not None:
        query = query.where(DeletionRequestSample.disposition == stored)
    return list(session.scalars(query))


def events(session: Session, request: DeletionRequest, *, after: int, limit: int) -> list[Event]:
    """Its own events and those of the jobs that serve it, from when they did, oldest first."""
    own = Event.request_id == request.id
    at = func.coalesce(cast(Event.data["tv"].astext, BigInteger), request.tv)
    served = and_(Event.job_id.in_(jobs_of(request).with_only_columns(Job.id)), at >= request.tv)
    query = select(Event).where(or_(own, served), Event.id > after).order_by(Event.id).limit(limit)
    return list(session.scalars(query))
