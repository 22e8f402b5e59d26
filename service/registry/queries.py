"""What is read about models, versions and aliases."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from service.core.tables import Alias, Model, ModelVersion


def model_by_name(session: Session, name: str) -> Model | None:
    query = select(Model).options(joinedload(Model.dataset)).where(Model.name == name)
    return session.scalar(query)


def models(session: Session, *, after: int, limit: int) -> list[Model]:
    query = (
        select(Model)
        .options(joinedload(Model.dataset))
        .where(Model.id > after)
        .order_by(Model.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def versions(session: Session, model: Model, *, after: int, limit: int) -> list[ModelVersion]:
    query = (
        select(ModelVersion)
        .options(joinedload(ModelVersion.parent))
        .where(ModelVersion.model_id == model.id, ModelVersion.number > after)
        .order_by(ModelVersion.number)
        .limit(limit)
    )
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
