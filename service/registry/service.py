"""Registering models, and finding their versions and aliases."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import clock
from service.core.db import breaks
from service.core.errors import ConflictError, InvalidError, NotFoundError
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.settings import Settings
from service.core.tables import Alias, Model, ModelState, ModelVersion
from service.datasets import service as datasets
from service.registry import queries
from service.registry.schemas import ModelCreate, ModuleArchitecture


class ModelNotFoundError(NotFoundError):
    code = "model-not-found"
    title = "There is no such model"


class VersionNotFoundError(NotFoundError):
    code = "version-not-found"
    title = "There is no such version"


class AliasNotFoundError(NotFoundError):
    code = "alias-not-found"
    title = "There is no such alias"


class FileNotInVersionError(NotFoundError):
    code = "file-not-found"
    title = "The version has no such file"


class ModelExistsError(ConflictError):
    code = "model-exists"
    title = "A model of this name exists"


class FactoryNotAllowedError(InvalidError):
    code = "factory-not-allowed"
    title = "The operator did not allow this factory"


class ClockAheadError(InvalidError):
    code = "clock-ahead"
    title = "The dataset's clock is not that late yet"


def register(session: Session, settings: Settings, order: ModelCreate) -> Model:
    """Store a model; a worker checks it and makes version 1. An invalid namesake is replaced.

    Raises:
        SourceNotAllowedError: a URL lies below no prefix that the operator named.
        ModelExistsError: the name is taken by a model that is not invalid.
        FactoryNotAllowedError: its factory lies under no allowed prefix.
        ClockAheadError: it claims to obey deletions that were never asked for.
    """
    settings.allowed_sources.refuse_others(source_uri=order.source_uri, base_uri=order.base_uri)
    dataset = datasets.find_ready(session, order.dataset)
    architecture = order.architecture
    if isinstance(architecture, ModuleArchitecture) and not settings.allows_factory(
        architecture.factory
    ):
        raise FactoryNotAllowedError(
            f"Add a prefix of {architecture.factory} to UNLEARND_MODULE_FACTORIES.",
            factory=architecture.factory,
        )
    if order.tv > dataset.tv:
        raise ClockAheadError(
            f"tv is {order.tv}, and the clock of {dataset.name} is {dataset.tv}.", tv=dataset.tv
        )
    present = queries.model_by_name(session, order.name)
    if present is not None and present.state == ModelState.INVALID:
        session.delete(present)
        session.flush()
    model = Model(
        name=order.name,
        dataset=dataset,
        source_uri=order.source_uri,
        base_uri=order.base_uri,
        architecture=architecture.model_dump(),
        representation=order.representation.model_dump(),
        method=order.method,
        method_parameters=order.method_parameters,
        policy=order.policy.stored(),
        registered_tv=order.tv,
    )
    session.add(model)
    try:
        session.flush()
    except IntegrityError as error:
        if not breaks("uq_models_name", error):
            raise
        raise ModelExistsError(f"Choose another name than {order.name}.") from None
    record(session, kinds.ModelRegistered(dataset_id=dataset.id, model_id=model.id))
    return model


def find(session: Session, name: str) -> Model:
    model = queries.model_by_name(session, name)
    if model is None:
        raise ModelNotFoundError(f"There is no model {name}: see GET /v1/models.")
    return model


def find_version(session: Session, name: str, number: int) -> ModelVersion:
    version = queries.version(session, find(session, name), number)
    if version is None:
        raise VersionNotFoundError(f"{name} has no version {number}.")
    return version


def find_alias(session: Session, name: str, alias: str) -> Alias:
    found = queries.alias(session, find(session, name), alias)
    if found is None:
        raise AliasNotFoundError(f"{name} has no alias {alias}.")
    return found


def head_of(session: Session, model: Model) -> ModelVersion | None:
    return clock.head(session, model.id)
