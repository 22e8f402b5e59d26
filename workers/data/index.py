"""Reading a dataset for the index: its IDs, and whether its inputs are what was registered."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data import columns
from workers.data.agreement import Agreement
from workers.data.batches import ParquetFile, batches
from workers.data.errors import DatasetError
from workers.data.ids import as_text
from workers.data.parquet import FileRef, IDDigest, list_files, open_parquet, refuse_many
from workers.data.specs import ArraySpec, InputSpec, TextSpec
from workers.data.tables.live import LiveFile
from workers.data.tables.snapshot import Look, Snapshot
from workers.data.tables.view import View
from workers.data.utf8 import rows_not_utf8

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
    inputs: Sequence[InputSpec],
    max_length: int,
    done: Callable[[dict[str, Any]], None],
    beside: Sequence[dict[str, Any]] = (),
    begin: Callable[[str], None] = lambda _uri: None,
    snapshot: Snapshot | None = None,
) -> Iterator[Chunk]:
    """Stream the IDs of all files behind `uri`; `done` gets each file's reference after it.

    What the columns of each file hold must go together with that of the files before it, and of
    those in `beside`: references to files that the same jobs read, such as the held-out ones.
    `begin` gets the URL of each file before it is opened.

    Of a table, `snapshot` is what is read of it: its live rows, file by file in order of name.

    The input columns are read along with them, for their lengths and nulls alone: a dataset that is
    called ready must not fail every deletion later. Parquet keeps the lengths within the data, so
    that costs as much as reading it: half a second for 60,000 lists of 784 numbers (30 to 43 MB on
    disk), where their IDs take a hundredth of one. Images and sounds are not decoded here, which
    would cost a hundred times as much: a broken one is found by the first run that comes to it.

    Raises:
        DatasetError: no files, a column that is not there or has the wrong type, IDs that are
            null, empty, too long or hold a NUL, lists of another length than the shape's, numbers
            that float32 cannot hold, or other inputs that are null or empty; the message names the
            first offenders' rows. Or two files hold a column in types that do not go together.
    """
    row, agreement = 0, agreement_with(beside, inputs)
    for file_uri, look in members(uri, snapshot):
        digest, start = IDDigest(), row
        begin(file_uri)
        with open_parquet(file_uri) as raw:
            parquet, view = seen(raw, look, file_uri)
            types = agreement.look_at(parquet, file_uri, id_column)
            names = columns_of(parquet, inputs)
            for batch in batches(parquet, [id_column, *names], rows_a_batch(parquet, inputs)):
                ids = as_text(batch.column(id_column))
                refuse_bad_ids(ids, row, max_length)
                refuse_bad_inputs(batch, inputs, row)
                digest.update(ids)
                yield Chunk(row, ids)
                row += len(ids)
        done(asdict(FileRef(file_uri, row - start, digest.hexdigest(), types, view)))
    if row == 0:
        raise DatasetError(f"The files at {uri} have no rows.")


def agreement_with(files: Sequence[dict[str, Any]], inputs: Sequence[InputSpec]) -> Agreement:
    """The types of these files, with which those of others must go together."""
    agreement = Agreement(inputs)
    for file in files:
        agreement.take(file["uri"], file["types"])
    return agreement


def members(uri: str, snapshot: Snapshot | None) -> list[tuple[str, Look | None]]:
    """The files to read, in order of name, and what finds out how a table's one is to be read."""
    if snapshot is None:
        return [(name, None) for name in list_files(uri)]
    refuse_many(len(snapshot.members), uri)
    return [(member.uri, member.look) for member in snapshot.members]


def seen(file: ParquetFile, look: Look | None, uri: str) -> tuple[Any, View | None]:
    """An open file as it is to be read, with its view if it is one of a table."""
    if look is None:
        return file, None
    view = look(file)
    return LiveFile(file, view, uri), view


def columns_of(parquet: pq.ParquetFile, inputs: Sequence[InputSpec]) -> list[str]:
    """What to read of a file for these inputs; nothing of one without rows."""
    schema = parquet.schema_arrow
    if not parquet.metadata.num_rows:
        return []
    return [name for spec in inputs for name in columns.parquet_names(schema, spec)]


def refuse_bad_ids(ids: pa.Array, first_row: int, max_length: int) -> None:
    strange = rows_not_utf8(ids)
    if strange:
        raise DatasetError(
            offenders([first_row + row for row in strange], "has an ID that is not UTF-8")
        )
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


def rows_a_batch(parquet: pq.ParquetFile, inputs: Sequence[InputSpec]) -> int:
    """So many that a batch of inputs fits into memory, and no more than IDs need."""
    numbers = sum(spec.size for spec in inputs if isinstance(spec, ArraySpec))
    others = [spec for spec in inputs if not isinstance(spec, ArraySpec)]
    if not parquet.metadata.num_rows:
        return 1
    most = min([ROWS_A_BATCH, *(columns.rows_a_batch(parquet, spec) for spec in others)])
    return max(1, min(most, NUMBERS_A_BATCH // max(1, numbers)))


def refuse_bad_inputs(
    batch: pa.RecordBatch, inputs: Sequence[InputSpec], first_row: int, what: str = "Row"
) -> None:
    for spec in inputs:
        column = batch.column(spec.column)
        strange = rows_not_utf8(column) if isinstance(spec, TextSpec) else []
        if strange:
            found = [first_row + row for row in strange]
            raise DatasetError(offenders(found, f"holds no UTF-8 in {spec.column}", what))
        wrong = columns.misfits(column, spec)
        if wrong.rows:
            found = [first_row + row for row in wrong.rows]
            raise DatasetError(offenders(found, wrong.complaint, what))


def offenders(rows: list[int], complaint: str, what: str = "Row") -> str:
    """A sentence that names the first rows, counted from 0 over all files in order of name."""
    named = ", ".join(str(row) for row in rows[:OFFENDERS_NAMED])
    more = " and others" if len(rows) > OFFENDERS_NAMED else ""
    return f"{what} {named}{more} {complaint} (rows count from 0 over the files in order of name)."


def read_holdout(
    uri: str,
    inputs: Sequence[InputSpec],
    begin: Callable[[str], None] = lambda _uri: None,
    snapshot: Snapshot | None = None,
) -> list[dict[str, Any]]:
    """References to the held-out files. Their IDs are not looked at.

    `begin` and `snapshot` as in `read_ids`.

    Raises:
        DatasetError: no files, no rows, or an input column that does not fit.
    """
    files, row, agreement = [], 0, Agreement(inputs)
    for file_uri, look in members(uri, snapshot):
        begin(file_uri)
        with open_parquet(file_uri) as raw:
            parquet, view = seen(raw, look, file_uri)
            types = agreement.look_at(parquet, file_uri)
            names = columns_of(parquet, inputs)
            for batch in batches(parquet, names, rows_a_batch(parquet, inputs)):
                refuse_bad_inputs(batch, inputs, row, "Held-out row")
                row += len(batch)
            files.append(asdict(FileRef(file_uri, parquet.metadata.num_rows, "", types, view)))
    if row == 0:
        raise DatasetError(f"The held-out files at {uri} have no rows.")
    return files
