"""The indexing of a dataset, from the worker's side."""

import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import Cursor, sql
from sqlalchemy import column, func, select, table, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.reasons import JobReason
from service.core.tables import Dataset, DatasetState
from workers.data.errors import DatasetError
from workers.data.index import OFFENDERS_NAMED, Chunk, offenders
from workers.lifecycle import leases

CSV = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")


@dataclass(frozen=True)
class ClaimedDataset:
    """`held_since` is a moment before the lease began, by this process's monotonic clock."""

    id: int
    fence: int
    attempt: int
    held_since: float
    dataset: Dataset

    @property
    def partition(self) -> str:
        return f"samples_{self.id}"


def claim(session: Session, dataset_id: int, owner: str, seconds: float) -> ClaimedDataset | None:
    held_since = time.monotonic()
    waits = Dataset.state == DatasetState.INDEXING
    dataset = leases.claim_idle(session, Dataset, Dataset.id == dataset_id, waits, owner, seconds)
    if dataset is None:
        return None
    session.refresh(dataset)
    return ClaimedDataset(dataset.id, dataset.fence, dataset.attempt, held_since, dataset)


def renew(session: Session, claimed: ClaimedDataset, seconds: float) -> None:
    leases.renew(session, Dataset, Dataset.id == claimed.id, claimed.fence, seconds)


def store_index(
    session: Session, claimed: ClaimedDataset, chunks: Iterable[Chunk], tell: Callable[[int], None]
) -> int:
    """Write all samples into a partition of their own, and attach it; returns their number.

    All of it is this one transaction, so an index is there whole or not at all. `tell` gets the
    number of rows so far.

    Raises:
        DatasetError: an ID comes twice; the message names the first rows.
    """
    partition = claimed.partition
    # The key is built after the rows are in, which is several times faster than keeping it.
    session.execute(text(f"CREATE TABLE {partition} (LIKE samples)"))
    session.execute(text(f"ALTER TABLE {partition} ALTER dataset_id SET DEFAULT {claimed.id:d}"))
    rows = _copy(session, partition, chunks, tell)
    try:
        with session.begin_nested():
            session.execute(
                text(
                    f"ALTER TABLE {partition} ADD PRIMARY KEY (dataset_id, sample_id), "
                    f"ADD CONSTRAINT one_dataset CHECK (dataset_id = {claimed.id:d})"
                )
            )
    except IntegrityError:
        # PostgreSQL's own text quotes the ID.
        raise DatasetError(_repeated(session, partition)) from None
    # Else the first large upload may come before autovacuum has, and be looked up as if the dataset
    # were small.
    session.execute(text(f"ANALYZE {partition}"))
    session.execute(
        text(f"ALTER TABLE samples ATTACH PARTITION {partition} FOR VALUES IN ({claimed.id:d})")
    )
    return rows


def _copy(
    session: Session, partition: str, chunks: Iterable[Chunk], tell: Callable[[int], None]
) -> int:
    rows = 0
    connection: Any = session.connection().connection.driver_connection
    cursor: Cursor[Any]
    into = sql.SQL("COPY {} (sample_id, row_position) FROM STDIN (FORMAT csv)")
    with connection.cursor() as cursor, cursor.copy(into.format(sql.Identifier(partition))) as copy:
        for chunk in chunks:
            positions = pa.array(range(chunk.first_row, chunk.first_row + len(chunk.ids)))
            table = pa.table({"sample_id": chunk.ids, "row_position": positions})
            buffer = io.BytesIO()
            pa_csv.write_csv(table, buffer, CSV)
            copy.write(buffer.getbuffer())
            rows += len(chunk.ids)
            tell(rows)
    return rows


def _repeated(session: Session, partition: str) -> str:
    samples = table(partition, column("sample_id"), column("row_position"))
    times = func.count().over(partition_by=samples.c.sample_id).label("times")
    counted = select(samples.c.row_position, times).subquery()
    query = select(counted.c.row_position).where(counted.c.times > 1)
    query = query.order_by(counted.c.row_position).limit(OFFENDERS_NAMED + 1)
    rows = session.scalars(query).all()
    return offenders(list(rows), "has an ID that another row has as well")


def accept(
    session: Session,
    claimed: ClaimedDataset,
    rows: int,
    files: list[dict[str, Any]],
    holdout_files: list[dict[str, Any]] | None,
    snapshots: tuple[str | None, str | None] = (None, None),
) -> None:
    """Make the dataset ready. `snapshots` are those that were read of its tables."""
    dataset = leases.lock_owned(session, Dataset, Dataset.id, claimed.id, claimed.fence)
    dataset.rows, dataset.files = rows, files
    dataset.snapshot, dataset.holdout_snapshot = snapshots
    if holdout_files is not None:
        dataset.holdout_files = holdout_files
        dataset.holdout_rows = sum(file["rows"] for file in holdout_files)
    dataset.move_to(DatasetState.READY)
    dataset.indexed_at = clock_now
    leases.release(dataset)
    record(session, kinds.DatasetReady(dataset_id=dataset.id, rows=rows))


def refuse(session: Session, claimed: ClaimedDataset, code: JobReason, reason: str) -> None:
    dataset = leases.lock_owned(session, Dataset, Dataset.id, claimed.id, claimed.fence)
    dataset.move_to(DatasetState.INVALID)
    dataset.reason_code, dataset.reason = code, reason
    leases.release(dataset)
    invalid = kinds.DatasetInvalid(dataset_id=dataset.id, reason=reason, reason_code=code)
    record(session, invalid)


def put_back(
    session: Session, claimed: ClaimedDataset, code: JobReason, reason: str, max_attempts: int
) -> None:
    if claimed.attempt >= max_attempts:
        refuse(session, claimed, code, f"{reason} It was tried {claimed.attempt} times.")
        return
    dataset = leases.lock_owned(session, Dataset, Dataset.id, claimed.id, claimed.fence)
    leases.release(dataset)
    # What was at fault is given the time that a lost message is given.
    dataset.rung_at = clock_now
    requeued = kinds.DatasetRequeued(
        dataset_id=dataset.id, attempt=dataset.attempt, reason=reason, reason_code=code
    )
    record(session, requeued)


def give_back(session: Session, claimed: ClaimedDataset) -> None:
    """The worker is shutting down: the indexing waits for another one, and was no attempt."""
    leases.give_back(leases.lock_owned(session, Dataset, Dataset.id, claimed.id, claimed.fence))
