"""Reading a dataset for the index: its IDs, and whether its inputs have the shape."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workers.data.arrays import ArraySpec, FileRef, check_column, misfits
from workers.data.errors import DatasetError
from workers.data.parquet import IDDigest, as_text, batches, list_files, open_parquet

ROWS_A_BATCH = 65_536
NUMBERS_A_BATCH = 2**22
OFFENDERS_NAMED = 5


@dataclass(frozen=True)
class Chunk:
    """A run of IDs (`ids`, large_string) whose first row is `first_row` of the dataset."""

    first_row: int
    ids: pa.Array


def read_ids(
    uri: str,
    id_column: str,
    inputs: list[ArraySpec],
    max_length: int,
    done: Callable[[dict[str, Any]], None],
) -> Iterator[Chunk]:
    """Stream the IDs of all files behind `uri`; `done` gets each file's reference after it.

    The input columns are read along with them, for the lengths of their lists alone: a dataset
    that is called ready must not fail every deletion later. Parquet keeps the lengths within the
    data, so that costs as much as reading it: half a second for 60,000 lists of 784 numbers (30 to
    43 MB on disk), where their IDs take a hundredth of one.

    Raises:
        DatasetError: no files, a column that is not there or has the wrong type, IDs that are
            null, empty, too long or hold a NUL, or lists of another length than the shape's; the
            message names the first offenders' rows.
    """
    row = 0
    columns = [id_column, *(spec.column for spec in inputs)]
    for file_uri in list_files(uri):
        digest, start = IDDigest(), row
        with open_parquet(file_uri) as parquet:
            for spec in inputs:
                check_column(parquet.schema_arrow, spec, file_uri)
            if parquet.schema_arrow.get_field_index(id_column) < 0:
                raise DatasetError(f"{file_uri} has no column {id_column}.")
            for batch in batches(parquet, columns, rows_a_batch(inputs)):
                ids = as_text(batch.column(id_column))
                refuse_bad_ids(ids, row, max_length)
                refuse_bad_lists(batch, inputs, row)
                digest.update(ids)
                yield Chunk(row, ids)
                row += len(ids)
        done(asdict(FileRef(file_uri, row - start, digest.hexdigest())))
    if row == 0:
        raise DatasetError(f"The files at {uri} have no rows.")


def refuse_bad_ids(ids: pa.Array, first_row: int, max_length: int) -> None:
    # One pass each over the whole batch; only a bad one is looked at row by row.
    lengths = pc.utf8_length(ids)
    checks = {
        "has no ID": pc.is_null(ids),
        "has an empty ID": pc.equal(lengths, 0),
        f"has an ID of more than {max_length} characters": pc.greater(lengths, max_length),
        "has a NUL in its ID": pc.match_substring(ids, "\x00"),
    }
    for complaint, bad in checks.items():
        if pc.any(bad).as_py():
            rows = pc.indices_nonzero(pc.fill_null(bad, False)).to_pylist()
            raise DatasetError(offenders([first_row + row for row in rows], complaint))


def rows_a_batch(inputs: list[ArraySpec]) -> int:
    """So many that a batch of inputs fits into memory, and no more than IDs need."""
    return max(1, min(ROWS_A_BATCH, NUMBERS_A_BATCH // sum(spec.size for spec in inputs)))


def refuse_bad_lists(
    batch: pa.RecordBatch, inputs: list[ArraySpec], first_row: int, what: str = "Row"
) -> None:
    for spec in inputs:
        rows = misfits(batch.column(spec.column), spec.size)
        if rows:
            complaint = f"does not hold {spec.size} numbers in {spec.column}"
            raise DatasetError(offenders([first_row + row for row in rows], complaint, what))


def offenders(rows: list[int], complaint: str, what: str = "Row") -> str:
    """A sentence that names the first rows, counted from 0 over all files in order of name."""
    named = ", ".join(str(row) for row in rows[:OFFENDERS_NAMED])
    more = " and others" if len(rows) > OFFENDERS_NAMED else ""
    return f"{what} {named}{more} {complaint} (rows count from 0 over the files in order of name)."


def read_holdout(uri: str, inputs: list[ArraySpec]) -> list[dict[str, Any]]:
    """References to the held-out files. Their IDs are not looked at.

    Raises:
        DatasetError: no files, no rows, or an input column that does not fit.
    """
    files, row = [], 0
    for file_uri in list_files(uri):
        with open_parquet(file_uri) as parquet:
            for spec in inputs:
                check_column(parquet.schema_arrow, spec, file_uri)
            columns = [spec.column for spec in inputs]
            for batch in batches(parquet, columns, rows_a_batch(inputs)):
                refuse_bad_lists(batch, inputs, row, "Held-out row")
                row += len(batch)
            files.append(asdict(FileRef(file_uri, parquet.metadata.num_rows, "")))
    if row == 0:
        raise DatasetError(f"The held-out files at {uri} have no rows.")
    return files
