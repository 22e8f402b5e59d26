"""Input columns of kind `array`: lists of numbers, as NumPy arrays."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.data.errors import DatasetError
from workers.data.parquet import IDDigest, as_text, batches, open_parquet


@dataclass(frozen=True)
class ArraySpec:
    """One input column: `shape` of a sample, and what its numbers are multiplied by."""

    column: str
    shape: tuple[int, ...]
    scale: float | None

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class FileRef:
    """One file as it was indexed: `digest` is of its ID column (see `IDDigest`)."""

    uri: str
    rows: int
    digest: str


def check_column(schema: pa.Schema, spec: ArraySpec, uri: str) -> None:
    """Refuse a file whose column cannot hold such arrays.

    Raises:
        DatasetError: no such column, no list of numbers, or a fixed size that is not the shape's.
    """
    index = schema.get_field_index(spec.column)
    if index < 0:
        raise DatasetError(f"{uri} has no column {spec.column}.")
    kind = schema.field(index).type
    fixed = pa.types.is_fixed_size_list(kind)
    if not (fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise DatasetError(f"The column {spec.column} of {uri} holds {kind}, not lists of numbers.")
    value = kind.value_type
    if not (pa.types.is_integer(value) or pa.types.is_floating(value)):
        raise DatasetError(f"The column {spec.column} of {uri} holds lists of {value}.")
    if fixed and kind.list_size != spec.size:
        raise DatasetError(
            f"The column {spec.column} of {uri} holds lists of {kind.list_size} numbers; "
            f"the shape {list(spec.shape)} needs {spec.size}."
        )


def number_type(schema: pa.Schema, spec: ArraySpec) -> np.dtype[Any]:
    value = schema.field(spec.column).type.value_type
    kind: np.dtype[Any] = np.dtype(value.to_pandas_dtype())
    return kind


def to_numpy(column: Any, spec: ArraySpec, uri: str, first_row: int) -> npt.NDArray[Any]:
    """A batch of a column as (rows, *shape), in the type of the file.

    Raises:
        DatasetError: a null, or a list of another length; the message names its row.
    """
    flat = column.flatten()
    whole = column.null_count == 0 and flat.null_count == 0
    if not whole or len(flat) != len(column) * spec.size or not _lengths_fit(column, spec.size):
        row = first_row + _first_offender(column, spec.size)
        raise DatasetError(
            f"Row {row} of {uri} does not hold {spec.size} numbers in {spec.column}."
        )
    numbers: npt.NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return numbers.reshape(len(column), *spec.shape)


def misfits(column: Any, size: int) -> list[int]:
    """The rows of a batch that are null, hold a null, or are not of this many numbers."""
    bad = pc.fill_null(pc.not_equal(pc.list_value_length(column), size), True)
    rows = set(pc.indices_nonzero(bad).to_pylist())
    flat = column.flatten()
    if flat.null_count:
        parents = pc.list_parent_indices(column).filter(pc.is_null(flat))
        rows.update(parents.to_pylist())
    return sorted(rows)


def _lengths_fit(column: Any, size: int) -> bool:
    if pa.types.is_fixed_size_list(column.type):
        return True
    return bool((np.diff(np.asarray(column.offsets)) == size).all())


def _first_offender(column: Any, size: int) -> int:
    for row, value in enumerate(column):
        numbers = value.as_py()
        if numbers is None or len(numbers) != size or any(n is None for n in numbers):
            return row
    raise AssertionError("the batch was refused, and every row of it is fine")


def copy_to_disk(
    files: Sequence[FileRef], spec: ArraySpec, id_column: str | None, target: Path
) -> npt.NDArray[Any]:
    """Copy an input column into one memory-mapped array (rows, *shape), in the order of the index.

    Memory stays at one batch. With an `id_column` every file is held against the digest that was
    taken when it was indexed, so that a row position still means the same sample.

    Raises:
        DatasetError: a file changed since, or its column does not hold such arrays.
    """
    if not files:
        raise DatasetError("The dataset has no files.")
    rows = sum(file.rows for file in files)
    with open_parquet(files[0].uri) as first:
        check_column(first.schema_arrow, spec, files[0].uri)
        kind = number_type(first.schema_arrow, spec)
    mapped: npt.NDArray[Any] = np.lib.format.open_memmap(
        target, mode="w+", dtype=kind, shape=(rows, *spec.shape)
    )
    # A full disk is an error here, and would be a crash at some write into the map.
    with target.open("r+b") as handle:
        os.posix_fallocate(handle.fileno(), 0, target.stat().st_size)
    start = 0
    for file in files:
        end = _copy_file(file, spec, id_column, mapped[start : start + file.rows])
        if end != file.rows:
            raise DatasetError(f"{file.uri} had {file.rows} rows, and has {end}: index it again.")
        start += end
    return mapped


def _copy_file(
    file: FileRef, spec: ArraySpec, id_column: str | None, target: npt.NDArray[Any]
) -> int:
    digest = IDDigest()
    columns = [spec.column] if id_column is None else [id_column, spec.column]
    row = 0
    with open_parquet(file.uri) as parquet:
        check_column(parquet.schema_arrow, spec, file.uri)
        if parquet.metadata.num_rows != file.rows:
            return int(parquet.metadata.num_rows)
        for batch in batches(parquet, columns):
            target[row : row + len(batch)] = to_numpy(
                batch.column(spec.column), spec, file.uri, row
            )
            if id_column is not None:
                digest.update(as_text(batch.column(id_column)))
            row += len(batch)
    if id_column is not None and digest.hexdigest() != file.digest:
        raise DatasetError(f"The IDs in {file.uri} changed since it was indexed: index it again.")
    return row
