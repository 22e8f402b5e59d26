"""Delta tables, through `deltalake`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from workers.data.errors import DatasetError
from workers.data.tables.delta_log import LOG, refuse_foreign_files
from workers.data.tables.fields import by_name, by_number, mapped
from workers.data.tables.snapshot import Member, Snapshot, library
from workers.data.tables.view import View, named_in_file, template

# What a reader must know of, and we do. Kinds of columns that no input is of cannot mislead us.
KNOWN = {
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantShredding",
    "variantShredding-preview",
    "variantType",
    "variantType-preview",
}
MODE, PHYSICAL, ID = (
    "delta.columnMapping.mode",
    b"delta.columnMapping.physicalName",
    b"delta.columnMapping.id",
)


def take(uri: str, version: str | None, columns: Sequence[str]) -> Snapshot:
    """The live files of a table at a version, or as it is now, for the reading of these columns.

    Raises:
        DatasetError: it is no Delta table, has no such version, or needs what we cannot read.
        OSError: the storage failed; it may answer another time.
    """
    deltalake = library("deltalake")
    root = uri.rstrip("/")
    if not refuse_foreign_files(root):
        raise DatasetError(f"{root} is no Delta table: there is no _delta_log in it.")
    table = _open(deltalake, root, version)
    try:
        return Snapshot(str(table.version()), _members(root, table, columns))
    except deltalake.exceptions.DeltaError:
        # Its text may quote what the log says of the rows.
        raise DatasetError(_unreadable(root)) from None


def _open(deltalake: Any, root: str, version: str | None) -> Any:
    place = root.removeprefix("file://")
    try:
        table = deltalake.DeltaTable(place)
    except deltalake.exceptions.DeltaError:
        raise DatasetError(_unreadable(root)) from None
    if version is None or int(version) == table.version():
        return table
    if int(version) > table.version():
        raise DatasetError(
            f"There is no version {version} of {root} yet: its newest is {table.version()}."
        )
    try:
        return deltalake.DeltaTable(place, version=int(version))
    except deltalake.exceptions.DeltaError:
        raise DatasetError(
            f"Version {version} of {root} cannot be read any more: its log does not go back so far."
        ) from None


def _unreadable(root: str) -> str:
    return (
        f"The log of {root} cannot be read: a file of its {LOG} is damaged or missing, or the "
        "table has a feature that is not read. Mend it, or export a snapshot to plain Parquet "
        "files."
    )


def _members(root: str, table: Any, columns: Sequence[str]) -> list[Member]:
    features = set(table.protocol().reader_features or ())
    if features - KNOWN:
        raise DatasetError(
            f"{root} has features that are not read: {', '.join(sorted(features - KNOWN))}. Drop "
            "them, or export a snapshot to plain Parquet files."
        )
    schema = pa.schema(table.schema().to_arrow())
    fields = [one for one in schema if one.name in columns]
    mode = table.metadata().configuration.get(MODE, "none")
    partitions = table.metadata().partition_columns
    deleted = _deleted(table) if "deletionVectors" in features else {}
    members = []
    for action in pa.table(table.get_add_actions()).to_pylist():
        uri = absolute(root, action["path"])
        values = {name: action["partition"][name] for name in partitions}
        gone = deleted.pop(uri, np.array([], np.int64))
        members.append(Member(uri, partial(_Look(fields, mode, values, gone), uri)))
    if deleted:
        raise DatasetError(f"{root} has deletion vectors of files that are not in the table.")
    return sorted(members, key=lambda member: member.uri)


def absolute(root: str, path: str) -> str:
    """The URL of a file that a log names, encoded, from the table's folder on or as a whole."""
    name = unquote(path)
    if "://" in name:
        return name
    return f"file://{name.removeprefix('file:')}" if name.startswith("file:/") else f"{root}/{name}"


def _deleted(table: Any) -> dict[str, npt.NDArray[np.int64]]:
    """By file the positions of its deleted rows. What a vector does not reach is not deleted."""
    found = {}
    for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
        for one in batch.to_struct_array():
            kept = one["selection_vector"].values.to_numpy(zero_copy_only=False)
            found[unquote(one["filepath"].as_py())] = np.flatnonzero(~kept)
    return found


@dataclass(frozen=True)
class _Look:
    fields: list[pa.Field]
    mode: str
    values: dict[str, Any]
    deleted: npt.NDArray[np.int64] = field(repr=False)

    def __call__(self, uri: str, file: pq.ParquetFile) -> View:
        find = by_number(ID) if self.mode == "id" else by_name(PHYSICAL)
        # A partition's value stands in the log, whatever the file says.
        fields = [
            named_in_file(one, None)
            if one.name in self.values
            else mapped(one, file.schema_arrow, find)
            for one in self.fields
        ]
        rows = file.metadata.num_rows
        if len(self.deleted) and self.deleted[-1] >= rows:
            raise DatasetError(f"A deletion vector names more rows than {uri} has.")
        return View.of(rows, self.deleted, template(fields, self.values))
