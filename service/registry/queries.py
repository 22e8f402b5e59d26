"""What is read about models, versions and aliases."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from service.core.tables import Alias, Dataset, Model, ModelState, ModelVersion, VersionState


def model_by_name(session: Session, name: str) -> Model | None:
    query = select(Model).options(joinedload(Model.dataset)).where(Model.name == name)
    return session.scalar(query)


def models(
    session: Session,
    *,
    state: ModelState | None,
    dataset: str | None,
    after: int,
    limit: int,
) -> list[Model]:
    query = (
        select(Model)
        .options(joinedload(Model.dataset))
        .where(Model.id > after)
        .order_by(Model.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(Model.state == state)
    if dataset is not None:
        query = query.join(Dataset, Dataset.id == Model.dataset_id).where(Dataset.name == dataset)
    return list(session.scalars(query))


def versions(
    session: Session, model: Model, *, state: VersionState | None, after: int, limit: int
) -> list[ModelVersion]:
    query = (
        select(ModelVersion)
        .options(joinedload(ModelVersion.parent))
        .where(ModelVersion.model_id == model.id, ModelVersion.number > after)
        .order_by(ModelVersion.number)
        .limit(limit)
    )
    if state is not None:
        query = query.where(ModelVersion.state == state)
    return list(session.scalars(query))


def version(session: Session, model: Model, number: int) -> ModelVersion | None:
    query = (
        select(ModelVersion)
        .options(joinedload(ModelVersion.parent))
        .where(ModelVersion.model_id == model.id, ModelVersion.number == number)
    )
    return session.scalar(query)


def aliases(session: Session, model: Model) -> list[Alias]:
    query = (
        select(Alias)
        .options(joinedload(Alias.version))
        .where(Alias.model_id == model.id)
        .order_by(Alias.name)
    )
    return list(session.scalars(query))


def alias(session: Session, model: Model, name: str) -> Alias | None:
    query = (
        select(Alias)
        .options(joinedload(Alias.version))
        .where(Alias.model_id == model.id, Alias.name == name)
    )
    return session.scalar(query)
