"""What is read about datasets."""

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, defer

from service.core import clock
from service.core.tables import Dataset, DatasetState, DeletionRequest, Model, Tombstone

# The lists of files are for the workers, and long: a dataset may have thousands of them. Every
# deletion request would read them.
WITHOUT_FILES = (
    defer(Dataset.files, raiseload=True),
    defer(Dataset.holdout_files, raiseload=True),
)


def by_name(session: Session, name: str) -> Dataset | None:
    return session.scalar(select(Dataset).options(*WITHOUT_FILES).where(Dataset.name == name))


def page(session: Session, *, state: DatasetState | None, after: int, limit: int) -> list[Dataset]:
    query = select(Dataset).options(*WITHOUT_FILES).where(Dataset.id > after)
    if state is not None:
        query = query.where(Dataset.state == state)
    return list(session.scalars(query.order_by(Dataset.id).limit(limit)))


def is_used(session: Session, dataset: Dataset) -> bool:
    query = select(Model.id).where(Model.dataset_id == dataset.id).limit(1)
    return session.scalar(query) is not None


def tombstones_after(
    session: Session, dataset_id: int, place: tuple[int, str], *, upto: int, limit: int
) -> list[tuple[int, str]]:
    """Clocks and sample IDs behind this place, in the order of the clock."""
    tv = place[0]
    query = (
        # The clock of the place once more, because only that part of the comparison has an index.
        clock.tombstones(dataset_id, after=tv - 1, upto=upto)
        .where(tuple_(DeletionRequest.tv, Tombstone.sample_id) > place)
        .order_by(DeletionRequest.tv, Tombstone.sample_id)
        .limit(limit)
    )
    return [(tv, sample_id) for sample_id, _row, tv in session.execute(query)]
