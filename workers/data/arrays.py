"""Input columns of kind `array`: lists of numbers, as NumPy arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.data.errors import DatasetError
from workers.data.specs import ArraySpec

NUMBERS_A_BATCH = 2**22
ROWS_A_BATCH = 16_384


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


def rows_a_batch(spec: ArraySpec) -> int:
    """So many that a batch fits into memory."""
    return max(1, min(ROWS_A_BATCH, NUMBERS_A_BATCH // spec.size))


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
    return sorted({*pc.indices_nonzero(bad).to_pylist(), *rows_with_nulls(column)})


def rows_with_nulls(column: Any) -> set[int]:
    """The rows of a batch of lists in which a number is null."""
    flat = column.flatten()
    if not flat.null_count:
        return set()
    return set(pc.list_parent_indices(column).filter(pc.is_null(flat)).to_pylist())


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
