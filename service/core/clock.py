"""The tombstone clock: the one idea that the rest follows from.

Every dataset has a monotonic integer, `tv`. Accepting a request sets a tombstone for each of
its samples and moves the clock, in the transaction that stores the request. Every version
records the `tv` up to which it has been unlearned. So

    forget set of a job = tombstones with parent_tv < tv <= job.tv
    remaining set       = rows without a tombstone

The clock is a column of a row, not a sequence: a later reading cannot be committed, or read,
before an earlier one is. The row's lock is what serialises acceptance for one dataset, so it is
taken last, for the increment and the commit only.
"""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from service.core.tables import (
    Dataset,
    DeletionRequest,
    ModelVersion,
    RequestState,
    Tombstone,
    VersionState,
)

T = TypeVar("T")
Rows: TypeAlias = Generator[T, None, None]

# Keys are inserted in one order by everybody, so two overlapping requests wait for each other
# and never in a circle. The second finds the first one's tombstones, and leaves them alone.
STAMP = """
    INSERT INTO tombstones (dataset_id, sample_id, row_position, request_id)
    SELECT :dataset_id, found.sample_id, found.row_position, :request_id
    FROM ({found}) AS found
    ORDER BY found.sample_id
    ON CONFLICT DO NOTHING
"""
# The samples that a request has staged, and their rows.
FOUND = """
    SELECT s.sample_id, s.row_position
    FROM deletion_request_samples AS given
    JOIN samples AS s ON s.dataset_id = :dataset_id AND s.sample_id = given.sample_id
    WHERE given.request_id = :request_id AND given.disposition = 'staged'
"""

MARK_ALREADY_DELETED = text(
    """
    UPDATE deletion_request_samples AS given
    SET disposition = 'already_deleted'
    FROM tombstones AS t
    WHERE given.request_id = :request_id AND given.disposition = 'staged'
      AND t.dataset_id = :dataset_id AND t.sample_id = given.sample_id
      AND t.request_id <> :request_id
    """
)

HOLDERS_CLOCK = text(
    """
    SELECT max(holder.tv)
    FROM deletion_request_samples AS given
    JOIN tombstones AS t ON t.dataset_id = :dataset_id AND t.sample_id = given.sample_id
    JOIN deletion_requests AS holder ON holder.id = t.request_id
    WHERE given.request_id = :request_id AND given.disposition = 'already_deleted'
    """
)

# The last statement before the commit: from here on the dataset's row is locked.
TICK = text(
    """
    WITH tick AS (
        UPDATE datasets SET tv = tv + 1 WHERE id = :dataset_id RETURNING tv
    )
    UPDATE deletion_requests AS r
    SET tv = tick.tv, staged = :staged, already_deleted = :already_deleted
    FROM tick WHERE r.id = :request_id
    RETURNING r.tv
    """
)


def stamp(session: Session, request: DeletionRequest, *, found: str = FOUND) -> None:
    """Set a tombstone for each staged sample of a stored request, and move the clock.

    `found` is a query of these samples, for a caller who has their rows at hand.

    A sample that another request holds becomes `already_deleted`. A request that stamps nothing
    does not move the clock: it takes the reading of whoever holds its samples, so that it is
    complete when they are, and 0 if nobody does.
    """
    session.flush()
    keys = {"dataset_id": request.dataset_id, "request_id": request.id}
    stamped = _stamp_or_mark(session, request, found, keys)
    held = request.staged - stamped
    if stamped:
        tv = session.scalar(TICK, keys | {"staged": stamped, "already_deleted": held})
        # The row has these values already: telling the session so saves it a look under the lock.
        for name, value in {"tv": tv, "staged": stamped, "already_deleted": held}.items():
            set_committed_value(request, name, value)
        return
    request.staged, request.already_deleted = 0, held
    request.tv = session.scalar(HOLDERS_CLOCK, keys) or 0
    session.flush()


def _stamp_or_mark(
    session: Session, request: DeletionRequest, found: str, keys: dict[str, Any]
) -> int:
    """Set what tombstones can be set and mark the samples that others hold; returns how many.

    A sample whose holder is cancelled in between is neither. Waiting for whoever takes it next
    would be waiting with the dataset's row, or with some tombstones out of order, in the hand,
    and could end in a circle: so all is let go, and begun anew.
    """
    stamp_all = text(STAMP.format(found=found))
    while True:
        with session.begin_nested() as attempt:
            stamped: int = session.connection().execute(stamp_all, keys).rowcount
            if stamped == request.staged:
                return stamped
            # With the dataset's row no cancellation can begin: whoever holds a sample now, stays.
            read(session, request.dataset_id, lock=True)
            marked: int = session.connection().execute(MARK_ALREADY_DELETED, keys).rowcount
            if stamped + marked == request.staged:
                return stamped
            attempt.rollback()


# The oldest other request that names a sample inherits it. What it said of having nothing to delete
# is then not true any more.
HAND_OVER = text(
    """
    WITH heir AS (
        SELECT DISTINCT ON (named.sample_id) named.sample_id, named.request_id
        FROM deletion_request_samples AS named
        JOIN deletion_requests AS r ON r.id = named.request_id
        JOIN tombstones AS t ON t.dataset_id = :dataset_id AND t.sample_id = named.sample_id
        WHERE t.request_id = :request_id AND r.dataset_id = :dataset_id
          AND r.state <> 'cancelled' AND named.disposition = 'already_deleted'
        ORDER BY named.sample_id, r.tv, r.accepted_at, r.id
    ), handed AS (
        UPDATE tombstones AS t SET request_id = heir.request_id
        FROM heir WHERE t.dataset_id = :dataset_id AND t.sample_id = heir.sample_id
    ), marked AS (
        UPDATE deletion_request_samples AS named SET disposition = 'staged'
        FROM heir
        WHERE named.request_id = heir.request_id AND named.sample_id = heir.sample_id
          AND named.disposition = 'already_deleted'
        RETURNING named.request_id
    ), counted AS (
        SELECT request_id, count(*) AS inherited FROM marked GROUP BY request_id
    )
    UPDATE deletion_requests AS r
    SET staged = r.staged + counted.inherited,
        already_deleted = r.already_deleted - counted.inherited,
        detail = NULL
    FROM counted WHERE r.id = counted.request_id
    """
)

LIFT = text("DELETE FROM tombstones WHERE dataset_id = :dataset_id AND request_id = :request_id")


def lift(session: Session, request: DeletionRequest) -> None:
    """Take back a request's tombstones, except those of samples that another live one names.

    The dataset's row must be locked, and no job may have claimed the request. The clock stays
    where it is: an heir was accepted later than this request, so its reading covers the sample.
    """
    keys = {"dataset_id": request.dataset_id, "request_id": request.id}
    session.flush()
    session.execute(HAND_OVER, keys)
    session.execute(LIFT, keys)


def read(session: Session, dataset_id: int, *, lock: bool = False) -> int:
    """The dataset's clock. With `lock`, nobody moves it until this transaction ends."""
    query = select(Dataset.tv).where(Dataset.id == dataset_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return session.scalars(query).one()


def head(session: Session, model_id: int) -> ModelVersion | None:
    """The published version that the next job starts from."""
    published = ModelVersion.state == VersionState.PUBLISHED
    return session.scalar(select(ModelVersion).where(ModelVersion.model_id == model_id, published))


def tombstones(dataset_id: int, *, after: int, upto: int) -> Select[str, int, int]:
    """Sample ID, row position and clock of what was stamped with after < tv <= upto."""
    return (
        select(Tombstone.sample_id, Tombstone.row_position, DeletionRequest.tv)
        .join(DeletionRequest, DeletionRequest.id == Tombstone.request_id)
        .where(
            Tombstone.dataset_id == dataset_id,
            DeletionRequest.dataset_id == dataset_id,
            DeletionRequest.tv > bindparam("after", after),
            DeletionRequest.tv <= bindparam("upto", upto),
        )
    )


def forget_set(
    session: Session, dataset_id: int, *, after: int, upto: int
) -> Rows[tuple[str, int]]:
    """Sample IDs in byte order with their row positions, streamed. Close it if you break off."""
    query = (
        tombstones(dataset_id, after=after, upto=upto)
        .with_only_columns(Tombstone.sample_id, Tombstone.row_position)
        .order_by(Tombstone.sample_id)
        .execution_options(yield_per=10_000)
    )
    # Past the session, which takes five times as long over millions of plain rows.
    with session.connection().execute(query) as rows:
        yield from rows


def excluded_rows(session: Session, dataset_id: int, *, upto: int) -> Rows[int]:
    """Row positions that no training may read any more at this clock, in no order, streamed.

    Close it if you break off.
    """
    query = tombstones(dataset_id, after=0, upto=upto).with_only_columns(Tombstone.row_position)
    with session.connection().execute(query.execution_options(yield_per=10_000)) as rows:
        yield from rows.scalars()


def waiting_since(dataset_id: object, after: object) -> Select[object]:
    """When the oldest stamping request later than `after` was accepted; null if there is none."""
    return select(func.min(DeletionRequest.accepted_at)).where(
        DeletionRequest.dataset_id == dataset_id,
        DeletionRequest.tv > after,
        DeletionRequest.staged > 0,
        DeletionRequest.state != RequestState.CANCELLED,
    )
