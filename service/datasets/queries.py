"""What is read about datasets."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import clock
from service.core.tables import Dataset, DeletionRequest, Model, Tombstone


def by_name(session: Session, name: str) -> Dataset | None:
    return session.scalar(select(Dataset).where(Dataset.name == name))


def page(session: Session, *, after: int, limit: int) -> list[Dataset]:
    query = select(Dataset).where(Dataset.id > after).order_by(Dataset.id).limit(limit)
    return list(session.scalars(query))


def is_used(session: Session, dataset: Dataset) -> bool:
    query = select(Model.id).where(Model.dataset_id == dataset.id).limit(1)
    return session.scalar(query) is not None


def tombstones_since(
    session: Session, dataset: Dataset, since: int, upto: int
) -> Iterator[tuple[str, int]]:
    """Sample IDs and clocks, in the order of the clock."""
    query = (
        clock.tombstones(dataset.id, after=since, upto=upto)
        .order_by(DeletionRequest.tv, Tombstone.sample_id)
        .execution_options(yield_per=10_000)
    )
    for sample_id, _row, tv in session.execute(query):
        yield sample_id, tv
