"""A file of a table, read like any Parquet file: with the table's columns and its rows alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workers.data.batches import ParquetFile
from workers.data.errors import DatasetError
from workers.data.layouts import WRITE_AS_TEXT, is_json
from workers.data.tables.view import View, name_in_file


class LiveFile:
    """What is used of a `pyarrow.parquet.ParquetFile`, over the rows that are in the table.

    Raises:
        DatasetError: the file has another number of rows than it had.
    """

    def __init__(self, file: ParquetFile, view: View, uri: str) -> None:
        if file.metadata.num_rows != view.rows:
            raise DatasetError(
                f"{uri} had {view.rows} rows, and has {file.metadata.num_rows}: index it again."
            )
        self._file, self._view, self._uri = file, view, uri
        self.bytes_stored = file.bytes_stored
        self.schema_arrow = _without_names(view.template.schema)
        self.metadata = _Metadata(file, view)

    def iter_batches(
        self,
        batch_size: int,
        columns: Sequence[str],
        use_threads: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Columns by the table's names; `a.b` is the field b of the struct a, alone.

        Raises:
            DatasetError: what the file holds cannot be what the table says.
        """
        wanted = _wanted(self._view.template, columns)
        paths = [path for one in wanted for path in one.paths]
        for first, rows, batch in self._read(batch_size, paths, use_threads=use_threads):
            arrays = [one.array(batch, rows, self._uri) for one in wanted]
            held = pa.RecordBatch.from_arrays(arrays, [one.name for one in wanted])
            if self._view.kept is not None:
                held = held.filter(pa.array(self._view.kept[first : first + rows]))
            if len(held):
                yield held

    def _read(
        self, batch_size: int, paths: list[str], *, use_threads: bool
    ) -> Iterator[tuple[int, int, pa.RecordBatch | None]]:
        first = 0
        if paths:
            for batch in self._file.iter_batches(
                batch_size, columns=paths, use_threads=use_threads
            ):
                yield first, len(batch), batch
                first += len(batch)
            return
        while first < self._view.rows:
            rows = min(batch_size, self._view.rows - first)
            yield first, rows, None
            first += rows


def _wanted(template: pa.RecordBatch, names: Sequence[str]) -> "list[_Wanted]":
    """The columns of these names, each once, with those of their fields that are asked for."""
    inner: dict[str, list[str]] = {}
    for name in names:
        top, _, field = name.partition(".")
        if template.schema.get_field_index(name) >= 0:
            top, field = name, ""
        inner.setdefault(top, []).extend([field] if field else [])
    return [_Wanted(template, top, fields) for top, fields in inner.items()]


class _Wanted:
    """One column that is asked for: where it lies in the file, and what becomes of it."""

    def __init__(self, template: pa.RecordBatch, name: str, inner: Sequence[str]) -> None:
        self.name, self.field = name, template.schema.field(name)
        self._constant = template.column(name)
        self.physical = name_in_file(self.field)
        self.paths = [] if self.physical is None else [self.physical]
        if not inner:
            return
        fields = [self.field.type.field(one) for one in inner]
        self.field = self.field.with_type(pa.struct(fields))
        held = [one for one in map(name_in_file, fields) if one is not None]
        if self.physical is not None and held:
            self.paths = [f"{self.physical}.{one}" for one in held]

    def array(self, batch: pa.RecordBatch | None, rows: int, uri: str) -> pa.Array:
        kind = _without_name(self.field).type
        if self.physical is None or batch is None:
            constant = self._constant[0]
            return pa.repeat(constant, rows) if constant.is_valid else pa.nulls(rows, kind)
        held = batch.column(self.physical)
        if is_json(held.type):
            raise DatasetError(f"The column {self.name} of {uri} holds JSON. {WRITE_AS_TEXT}")
        try:
            return conform(held, self.field)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DatasetError(
                f"The column {self.name} of {uri} cannot be read as the table's {kind}."
            ) from error


def conform(array: pa.Array, field: pa.Field) -> pa.Array:
    """A column of a file as the table has it, where no value changes.

    Raises:
        ArrowInvalid, ArrowNotImplementedError: it cannot be.
    """
    if pa.types.is_struct(field.type) and pa.types.is_struct(array.type):
        children = [_child(array, inner) for inner in field.type]
        fields = list(_without_name(field).type)
        return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())
    if isinstance(array.type, pa.BaseExtensionType) or array.type == field.type:
        return array
    return array.cast(field.type)


def _child(array: pa.StructArray, field: pa.Field) -> pa.Array:
    physical = name_in_file(field)
    if physical is None or array.type.get_field_index(physical) < 0:
        return pa.nulls(len(array), _without_name(field).type)
    return conform(array.field(physical), field)


def _without_name(field: pa.Field) -> pa.Field:
    kind = field.type
    if pa.types.is_struct(kind):
        kind = pa.struct([_without_name(inner) for inner in kind])
    return pa.field(field.name, kind)


def _without_names(schema: pa.Schema) -> pa.Schema:
    return pa.schema([_without_name(field) for field in schema])


class _Metadata:
    """The file's metadata, with the table's names and number of rows."""

    def __init__(self, file: pq.ParquetFile, view: View) -> None:
        self._metadata = file.metadata
        self.num_rows = view.live
        self.num_row_groups = file.metadata.num_row_groups
        self._names = _paths(view.template.schema)

    def row_group(self, number: int) -> "_Group":
        return _Group(self._metadata.row_group(number), self._names)


def _paths(fields: Any, here: str = "", there: str = "") -> dict[str, str]:
    """What the table calls the columns of the file, also inside structs."""
    found: dict[str, str] = {}
    for field in fields:
        physical = name_in_file(field)
        if physical is None:
            continue
        found[f"{there}{physical}"] = f"{here}{field.name}"
        if pa.types.is_struct(field.type):
            found |= _paths(field.type, f"{here}{field.name}.", f"{there}{physical}.")
    return found


class _Group:
    def __init__(self, group: Any, names: dict[str, str]) -> None:
        self._group, self._names = group, names
        self.num_rows, self.num_columns = group.num_rows, group.num_columns
        self.total_byte_size = group.total_byte_size

    def column(self, number: int) -> "_Column":
        return _Column(self._group.column(number), self._names)


class _Column:
    def __init__(self, column: Any, names: dict[str, str]) -> None:
        self.total_uncompressed_size = column.total_uncompressed_size
        self.num_values = column.num_values
        self.path_in_schema = _translated(column.path_in_schema, names)


def _translated(path: str, names: dict[str, str]) -> str:
    """The longest beginning of the path that has another name in the table, exchanged."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        name = names.get(".".join(parts[:end]))
        if name is not None:
            return ".".join([name, *parts[end:]])
    return path
