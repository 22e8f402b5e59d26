"""Registering and finding datasets."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.db import breaks
from service.core.errors import ConflictError, NotFoundError
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState
from service.datasets import queries
from service.datasets.schemas import DatasetCreate


class DatasetNotFoundError(NotFoundError):
    code = "dataset-not-found"
    title = "There is no such dataset"


class DatasetExistsError(ConflictError):
    code = "dataset-exists"
    title = "A dataset of this name exists"


class DatasetNotReadyError(ConflictError):
    code = "dataset-not-ready"
    title = "The dataset is not ready"


def register(session: Session, settings: Settings, order: DatasetCreate) -> Dataset:
    """Store a dataset; a worker indexes it. An invalid one of the same name is replaced.

    Raises:
        SourceNotAllowedError: a URL lies below no prefix that the operator named.
        DatasetExistsError: the name is taken by a dataset that is not invalid.
    """
    settings.allowed_sources.refuse_others(uri=order.uri, holdout_uri=order.holdout_uri)
    present = queries.by_name(session, order.name)
    if (
        present is not None
        and present.state == DatasetState.INVALID
        and not queries.is_used(session, present)
    ):
        session.delete(present)
        session.flush()
    dataset = Dataset(
        name=order.name,
        uri=order.uri,
        format=order.format,
        snapshot=order.snapshot,
        holdout_uri=order.holdout_uri,
        holdout_format=order.holdout_format,
        holdout_snapshot=order.holdout_snapshot,
        id_column=order.id_column,
        label_column=order.label_column,
        inputs=[given.model_dump() for given in order.inputs],
    )
    session.add(dataset)
    try:
        session.flush()
    except IntegrityError as error:
        if not breaks("uq_datasets_name", error):
            raise
        raise DatasetExistsError(f"Choose another name than {order.name}.") from None
    record(session, kinds.DatasetRegistered(dataset_id=dataset.id))
    return dataset


def find(session: Session, name: str) -> Dataset:
    dataset = queries.by_name(session, name)
    if dataset is None:
        raise unknown(name)
    return dataset


def find_ready(session: Session, name: str) -> Dataset:
    """A dataset whose samples can be looked up."""
    dataset = find(session, name)
    refuse_unready(name, dataset.state, dataset.reason)
    return dataset


def unknown(name: str) -> DatasetNotFoundError:
    return DatasetNotFoundError(f"There is no dataset {name}: see GET /v1/datasets.")


def refuse_unready(name: str, state: DatasetState, reason: str | None) -> None:
    """Raise DatasetNotReadyError unless its samples can be looked up."""
    if state == DatasetState.INDEXING:
        raise DatasetNotReadyError(f"{name} is still being indexed: try again later.")
    if state == DatasetState.INVALID:
        raise DatasetNotReadyError(f"{name} is invalid: {reason}")
