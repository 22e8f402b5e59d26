"""Iceberg tables, through `pyiceberg`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data.errors import DatasetError
from workers.data.parquet import open_parquet
from workers.data.tables.fields import FIELD_ID, by_number, mapped, numbered
from workers.data.tables.iceberg_files import current_metadata, files_of, url_of
from workers.data.tables.opening import read_file
from workers.data.tables.snapshot import Member, Snapshot, library
from workers.data.tables.view import View, template

Positions = npt.NDArray[np.int64]
COMPACT = (
    "Rewrite its data files first (`rewrite_data_files`), or export a snapshot to plain Parquet."
)


def take(uri: str, version: str | None, columns: Sequence[str]) -> Snapshot:
    """The live files of a table at a snapshot, or at its current one, to read these columns.

    `uri` is the table's folder, or one of its metadata files.

    Raises:
        DatasetError: it is no Iceberg table, has no such snapshot, or needs what we cannot read.
        OSError: the storage failed; it may answer another time.
    """
    library("pyiceberg.table")
    place = current_metadata(uri)
    try:
        table = _table(place)
        state = _state(table, place, version)
        scan = table.scan(snapshot_id=None if version is None else state.snapshot_id)
        schema = scan.projection()
        fields = _fields(schema, columns)
        members = [_member(table, schema, fields, task) for task in scan.plan_files()]
    except (DatasetError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (its readers raise whatever damage leads them to)
        if "equality deletes" in str(error):
            raise DatasetError(_equality_deletes(place)) from None
        # Its text may quote what the metadata say of the rows.
        raise DatasetError(
            f"The table at {place} cannot be read: this file, or a manifest that it leads to, is "
            "damaged or of a form that is not read."
        ) from None
    return Snapshot(str(state.snapshot_id), sorted(members, key=lambda member: member.uri))


def _table(place: str) -> Any:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import StaticTable

    files = files_of()
    metadata = FromInputFile.table_metadata(files.new_input(place))
    name = ("table", place)
    return StaticTable(
        identifier=name,
        metadata_location=place,
        metadata=metadata,
        io=files,
        catalog=NoopCatalog("none"),
    )


def _state(table: Any, place: str, version: str | None) -> Any:
    state = table.current_snapshot() if version is None else table.snapshot_by_id(int(version))
    if state is not None:
        return state
    if version is None:
        raise DatasetError(f"The table at {place} has no snapshot: nothing was written to it.")
    raise DatasetError(f"The table at {place} has no snapshot {version}, or none any more.")


def _equality_deletes(place: str) -> str:
    return f"The table at {place} has equality deletes, which are not read. {COMPACT}"


def _fields(schema: Any, columns: Sequence[str]) -> list[pa.Field]:
    """These columns of the table, each with its number, also inside structs."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    wanted = [one.name for one in schema.fields if one.name in columns]
    return list(schema_to_pyarrow(schema.select(*wanted), include_field_ids=True))


def _member(table: Any, schema: Any, fields: list[pa.Field], task: Any) -> Member:
    uri = url_of(task.file.file_path)
    if str(task.file.file_format.value).lower() != "parquet":
        raise DatasetError(
            f"{uri} is not a Parquet file, and other files of tables are not read. {COMPACT}"
        )
    if task.file.key_metadata is not None:
        raise DatasetError(f"{uri} is encrypted, and encrypted files are not read. {COMPACT}")
    parts = [_positions(one, task.file.file_path) for one in task.delete_files]
    deleted = np.unique(np.concatenate(parts)) if parts else np.array([], np.int64)
    values = dict(_values(table, schema, fields, task.file))
    return Member(uri, partial(_Look(fields, values, table.name_mapping(), deleted), uri))


def _positions(deletes: Any, path: str) -> Positions:
    """The positions that a file with deletes names of the data file at this path."""
    from pyiceberg.manifest import DataFileContent

    kind = str(deletes.file_format.value).lower()
    uri = url_of(deletes.file_path)
    if deletes.content != DataFileContent.POSITION_DELETES:
        raise DatasetError(_equality_deletes(uri))
    if kind == "parquet":
        with open_parquet(uri) as file:
            found = file.read(columns=["file_path", "pos"])
        ours = found.filter(pc.equal(found["file_path"], path))["pos"]
        named: Positions = ours.cast(pa.int64()).to_numpy()
        return named
    if kind == "puffin":
        from pyiceberg.table.deletion_vector import deletion_vectors_from_puffin_file
        from pyiceberg.table.puffin import PuffinFile

        vectors = deletion_vectors_from_puffin_file(PuffinFile(read_file(uri)))
        ours = [one.to_vector() for one in vectors if one.referenced_data_file == path]
        if not ours:
            raise DatasetError(f"{uri} holds no deletion vector of the file that it is listed for.")
        return np.concatenate([one.combine_chunks().cast(pa.int64()).to_numpy() for one in ours])
    raise DatasetError(f"{uri} lists deleted rows in a format that is not read. {COMPACT}")


def _values(
    table: Any, schema: Any, fields: list[pa.Field], file: Any
) -> Iterator[tuple[str, Any]]:
    """What a column holds where the file has none: its partition's value, or its first default."""
    from pyiceberg.transforms import IdentityTransform

    spec = table.specs()[file.spec_id]
    for one in fields:
        known = schema.find_field(one.name)
        if known.initial_default is not None:
            yield one.name, known.initial_default
        for place, part in enumerate(spec.fields):
            if part.source_id == known.field_id and isinstance(part.transform, IdentityTransform):
                yield one.name, file.partition[place]


@dataclass(frozen=True)
class _Look:
    fields: list[pa.Field]
    values: Mapping[str, Any]
    names: Any
    deleted: Positions = field(repr=False)

    def __call__(self, uri: str, file: pq.ParquetFile) -> View:
        held, rows = file.schema_arrow, file.metadata.num_rows
        if not any(FIELD_ID in (one.metadata or {}) for one in held):
            if self.names is None:
                raise DatasetError(
                    f"{uri} does not number its columns, and the table does not say what they are "
                    f"called. {COMPACT}"
                )
            held = numbered(held, self.names.root)
        fields = [mapped(one, held, by_number(FIELD_ID)) for one in self.fields]
        missing = {one.name for one in fields if not one.metadata}
        if len(self.deleted) and self.deleted[-1] >= rows:
            raise DatasetError(f"Deletes of the table name more rows than {uri} has.")
        values = {name: value for name, value in self.values.items() if name in missing}
        return View.of(rows, self.deleted, template(fields, values))
