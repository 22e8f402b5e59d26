"""Batches of Parquet files that are bounded by what they hold, whatever the file claims.

A few bytes of a file can stand for gigabytes: by dictionaries, by runs, by what compresses well.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data.watched import Watched

MIB = 2**20
# Values of any length are decoded so many rows at a time, and put together afterwards.
ROWS_AT_ONCE = 128
# What a batch is put together to: a larger one is of one decoding.
BYTES_A_BATCH = 64 * MIB
# What one decoding may come to.
MOST_BYTES = 1024 * MIB
# How many times a file's own size it may decode to, and what is allowed to each. Values of tables
# that people train on repeat some ten times; what repeats a thousand times over is no data.
MOST_TIMES = 1000
ALLOWED = 1024 * MIB


class DamagedError(ValueError):
    """A file that cannot be what it claims. The message goes on after the file's name."""


class ParquetFile(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    """An open file, and how many bytes there are of it."""

    def __init__(self, source: Watched, **options: Any) -> None:
        self.bytes_stored = source.size()
        super().__init__(source, **options)


def batches(file: Any, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most `rows` rows, and of fewer where these are large.

    Only these columns are read from the file, a `ParquetFile` or a table's view of one.

    Raises:
        DamagedError: a few rows take too much memory, all of them far more than the file has, or
            there are others than it claims.
    """
    waiting: list[pa.RecordBatch] = []
    held = count = total = row = 0
    step = min(rows, ROWS_AT_ONCE) if any_varies(file.schema_arrow) else rows
    for part in file.iter_batches(batch_size=step, columns=columns, use_threads=False):
        size = decoded_bytes(part)
        total += size
        refuse_too_much(size, row, len(part))
        refuse_too_many_times(total, file.bytes_stored)
        row += len(part)
        if waiting and (count + len(part) > rows or held + size > BYTES_A_BATCH):
            yield together(waiting)
            waiting, held, count = [], 0, 0
        waiting.append(part)
        held, count = held + size, count + len(part)
    if waiting:
        yield together(waiting)
    claimed = file.metadata.num_rows
    if columns and row != claimed:
        raise DamagedError(f"claims {claimed} rows and holds {row}: write it anew")


def together(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def any_varies(schema: pa.Schema) -> bool:
    """Whether rows may take any number of bytes; numbers and the like take the same each."""
    return any(pa.types.is_nested(field.type) or _varies(field.type) for field in schema)


def _varies(kind: pa.DataType) -> bool:
    try:
        return int(kind.bit_width) > 1024
    except ValueError:
        return True


def refuse_too_much(size: int, row: int, rows: int) -> None:
    if size > MOST_BYTES:
        raise DamagedError(
            f"holds {size // MIB} MiB in {rows} rows from its row {row} on, and at most "
            f"{MOST_BYTES // MIB} MiB are read at once: write smaller values"
        )


def refuse_too_many_times(total: int, stored: int) -> None:
    if total > max(ALLOWED, MOST_TIMES * stored):
        raise DamagedError(
            f"decodes to more than {total // MIB} MiB, over {MOST_TIMES} times its own "
            f"{stored} bytes: that is no data to train on"
        )


def decoded_bytes(batch: pa.RecordBatch | pa.Array) -> int:
    """What the values take, each written out: those of dictionaries as often as they stand there.

    The arrays of a batch are its children, as those of a struct are.
    """
    if isinstance(batch, pa.RecordBatch):
        return sum(map(decoded_bytes, batch.columns))
    kind = batch.type
    if isinstance(kind, pa.BaseExtensionType):
        return decoded_bytes(batch.storage)
    if pa.types.is_dictionary(kind):
        return _written_out(batch)
    if pa.types.is_struct(kind):
        return sum(decoded_bytes(batch.field(at)) for at in range(kind.num_fields))
    return int(batch.nbytes)


def _written_out(column: Any) -> int:
    kind = column.type.value_type
    if not _varies(kind):
        return int(len(column) * kind.bit_width) // 8
    if pa.types.is_nested(kind):
        return int(len(column) * column.dictionary.nbytes)
    lengths = pc.binary_length(column.dictionary.cast(pa.large_binary()))
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)
