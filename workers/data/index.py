"""Reading a dataset's IDs, for the index."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workers.data.arrays import ArraySpec, FileRef, check_column
from workers.data.errors import DatasetError
from workers.data.parquet import IDDigest, as_text, batches, list_files, open_parquet

ROWS_A_BATCH = 65_536
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

    Raises:
        DatasetError: no files, a column that is not there or has the wrong type, or IDs that are
            null, empty, too long or hold a NUL; the message names the first offenders' rows.
    """
    row = 0
    for file_uri in list_files(uri):
        digest, start = IDDigest(), row
        with open_parquet(file_uri) as parquet:
            for spec in inputs:
                check_column(parquet.schema_arrow, spec, file_uri)
            if parquet.schema_arrow.get_field_index(id_column) < 0:
                raise DatasetError(f"{file_uri} has no column {id_column}.")
            for batch in batches(parquet, [id_column], ROWS_A_BATCH):
                ids = as_text(batch.column(id_column))
                refuse_bad_ids(ids, row, max_length)
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


def offenders(rows: list[int], complaint: str) -> str:
    """A sentence that names the first rows, counted from 0 over all files in order of name."""
    named = ", ".join(str(row) for row in rows[:OFFENDERS_NAMED])
    more = " and others" if len(rows) > OFFENDERS_NAMED else ""
    return f"Row {named}{more} {complaint} (rows count from 0 over the files in order of name)."


def read_holdout(uri: str, inputs: list[ArraySpec]) -> list[dict[str, Any]]:
    """References to the held-out files. Their IDs are not looked at.

    Raises:
        DatasetError: no files, no rows, or an input column that does not fit.
    """
    files = []
    for file_uri in list_files(uri):
        with open_parquet(file_uri) as parquet:
            for spec in inputs:
                check_column(parquet.schema_arrow, spec, file_uri)
            files.append(asdict(FileRef(file_uri, parquet.metadata.num_rows, "")))
    if sum(file["rows"] for file in files) == 0:
        raise DatasetError(f"The held-out files at {uri} have no rows.")
    return files
