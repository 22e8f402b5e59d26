"""Whether the files of a dataset hold their columns in types that can be read as one."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workers.data import numbers
from workers.data.columns import check_column, type_held
from workers.data.errors import DatasetError
from workers.data.ids import kind_of_ids
from workers.data.presence import MissingColumnError, type_in
from workers.data.specs import ArraySpec, AudioSpec, InputSpec, parts_of

# What a column holds, by its name: see `type_held` and `kind_of_ids`.
Types = dict[str, str]


def types_of(
    schema: pa.Schema, inputs: Sequence[InputSpec], uri: str, id_column: str | None = None
) -> Types:
    """What a file's columns hold.

    Raises:
        DatasetError: a column is not there, cannot hold such inputs, or has IDs without a spelling.
    """
    for spec in inputs:
        check_column(schema, spec, uri)
    parts = [part for spec in inputs for part in parts_of(spec)]
    types = {part.column: type_held(schema.field(part.column).type, part) for part in parts}
    if id_column is not None:
        kind = type_in(schema, id_column, uri)
        types[id_column] = kind_of_ids(kind, f"ID column {id_column} of {uri}")
    return types


class Agreement:
    """The types of the files that were seen so far.

    Numbers of an array may be of several types, if one of them, or a wider one, holds all of them
    unchanged. So may the floating-point numbers of a waveform; integers there are divided by their
    type's range, so other types are other sounds. IDs are text, integers or UUIDs throughout.
    """

    def __init__(self, inputs: Sequence[InputSpec]) -> None:
        self._specs = {spec.column: spec for spec in inputs}
        # By column, each type with the first file that has it.
        self._seen: dict[str, dict[str, str]] = {}

    def look_at(self, parquet: pq.ParquetFile, uri: str, id_column: str | None = None) -> Types:
        """One more file; a file without rows has nothing to look at.

        Raises:
            DatasetError: a column is missing, or cannot hold such inputs, or the file does not fit
                to the files before.
        """
        if not parquet.metadata.num_rows:
            return {}
        schema = parquet.schema_arrow
        try:
            types = types_of(schema, list(self._specs.values()), uri, id_column)
        except MissingColumnError as error:
            has_it = next(iter(self._seen.get(error.column, {}).values()), None)
            if has_it is None:
                raise
            raise DatasetError(f"{error} {has_it} has that column.") from None
        self.take(uri, types)
        return types

    def take(self, uri: str, types: Types) -> None:
        """One more file.

        Raises:
            DatasetError: it does not fit to the files before; the message names both and types.
        """
        for column, held in types.items():
            seen = self._seen.setdefault(column, {})
            if held in seen:
                continue
            spec = self._specs.get(column)
            for before, first in seen.items():
                if not _fit(spec, before, held):
                    raise DatasetError(_refusal(column, spec, (held, uri), (before, first)))
            seen[held] = uri

    def number_type(self, column: str) -> np.dtype[np.generic]:
        """The type that holds the numbers of all files."""
        return numbers.common([np.dtype(held) for held in self._seen[column]])


def _fit(spec: InputSpec | None, one: str, other: str) -> bool:
    """Whether two different types go together; `spec` is None for IDs."""
    match spec:
        case ArraySpec():
            return numbers.go_together([np.dtype(one), np.dtype(other)])
        case AudioSpec():
            return one.startswith("float") and other.startswith("float")
        case _:
            return False


def _refusal(
    column: str, spec: InputSpec | None, one: tuple[str, str], other: tuple[str, str]
) -> str:
    match spec:
        case ArraySpec():
            why = "no type holds the numbers of both unchanged"
        case AudioSpec():
            why = "the same sound has other numbers in them"
        case _:
            why = "the same ID may be spelled otherwise in them"
    return (
        f"The column {column} holds {one[0]} in {one[1]}, and {other[0]} in {other[1]}: {why}. "
        "Write all files with one type."
    )
