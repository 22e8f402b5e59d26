"""IDs that were asked for and are not in the dataset, yet.

They are no tombstones: there is no row to forget, and the clock does not move for them. They are
kept with the request that named them, for as long as it is. A later delivery of data may bring
their rows, which no training may read then either.
"""

from collections.abc import Generator
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.core.tables import (
    DeletionRequest,
    DeletionRequestSample,
    Disposition,
    RequestState,
    Sample,
    Tombstone,
)


class Arrived(NamedTuple):
    """A row that came after its ID was asked for; `request_id` is the oldest request that did."""

    sample_id: str
    row_position: int
    request_id: UUID


def asked_for(dataset_id: int) -> Select[UUID, int, str]:
    """Request, place in it and ID of what live requests asked for and did not find."""
    return (
        select(
            DeletionRequestSample.request_id,
            DeletionRequestSample.position,
            DeletionRequestSample.sample_id,
        )
        .join(DeletionRequest, DeletionRequest.id == DeletionRequestSample.request_id)
        .where(
            DeletionRequest.dataset_id == dataset_id,
            DeletionRequest.not_found > 0,
            DeletionRequest.state != RequestState.CANCELLED,
            DeletionRequestSample.disposition == Disposition.NOT_FOUND,
        )
    )


def page(
    session: Session, dataset_id: int, place: tuple[UUID, int] | None, *, limit: int
) -> list[tuple[UUID, int, str]]:
    """What was asked for and not found behind this place, which only indexes order.

    An ID comes once for each request that names it.
    """
    found = session.execute(after(dataset_id, place, limit=limit))
    return [(request, position, ID) for request, position, ID in found]


def after(dataset_id: int, place: tuple[UUID, int] | None, *, limit: int) -> Select[UUID, int, str]:
    """The query of a page."""
    request, position = DeletionRequestSample.request_id, DeletionRequestSample.position
    query = asked_for(dataset_id).order_by(request, position).limit(limit)
    if place is None:
        return query
    # The request once more, for the index that says which requests there are.
    return query.where(DeletionRequest.id >= place[0], tuple_(request, position) > place)


def arrived(session: Session, dataset_id: int) -> Generator[Arrived]:
    """The samples that are in the dataset by now, and without a tombstone; in byte order, streamed.

    Close it if you break off.
    """
    asked = (
        asked_for(dataset_id)
        .add_columns(DeletionRequest.accepted_at)
        .ext(distinct_on(DeletionRequestSample.sample_id))
        .order_by(DeletionRequestSample.sample_id, DeletionRequest.accepted_at, DeletionRequest.id)
        .subquery()
    )
    query = (
        select(Sample.sample_id, Sample.row_position, asked.c.request_id)
        .join(asked, asked.c.sample_id == Sample.sample_id)
        .outerjoin(
            Tombstone,
            (Tombstone.dataset_id == Sample.dataset_id) & (Tombstone.sample_id == Sample.sample_id),
        )
        .where(Sample.dataset_id == dataset_id, Tombstone.sample_id.is_(None))
        .order_by(Sample.sample_id)
    )
    with session.connection().execute(query.execution_options(yield_per=10_000)) as rows:
        yield from (Arrived(*row) for row in rows)
