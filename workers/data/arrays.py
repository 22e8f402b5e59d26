"""Input columns of kind `array`: lists of numbers, as NumPy arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.data import numbers
from workers.data.errors import DatasetError
from workers.data.layouts import lengths, name_of, plain
from workers.data.misfits import NONE, Misfits
from workers.data.nested import Reading, nested, reading
from workers.data.specs import ArraySpec

NUMBERS_A_BATCH = 2**20
ROWS_A_BATCH = 16_384


def check_type(kind: pa.DataType, spec: ArraySpec, uri: str) -> None:
    """Refuse a column that cannot hold such arrays.

    Raises:
        DatasetError: no lists of numbers, or a fixed size that is not the shape's.
    """
    held, what = nested(kind), f"The column {spec.column} of {uri} holds"
    if not held.sizes:
        raise DatasetError(f"{what} {name_of(kind)}, not lists of numbers.")
    if not numbers.are(held.number):
        advice = " Cast them to floating-point numbers." if _is_decimal(held.number) else ""
        raise DatasetError(f"{what} lists of {name_of(held.number)}, not of numbers.{advice}")
    if None in held.sizes and len(held.sizes) != len(spec.shape):
        return  # Each row tells the shape that it has.
    try:
        fits = reading(held, spec)
    except DatasetError as error:
        raise DatasetError(f"{what} such arrays: {error}") from None
    if fits is not None:
        return
    if len(held.sizes) == 1:
        raise DatasetError(
            f"{what} lists of {held.sizes[0]} numbers; the shape {list(spec.shape)} needs "
            f"{spec.size}."
        )
    raise DatasetError(
        f"{what} arrays of the shape {held}; the dataset was registered with the shape "
        f"{list(spec.shape)}."
    )


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))


def rows_a_batch(spec: ArraySpec) -> int:
    """So many that a batch fits into memory."""
    return max(1, min(ROWS_A_BATCH, NUMBERS_A_BATCH // spec.size))


def to_numpy(column: Any, spec: ArraySpec, uri: str, first_row: int) -> npt.NDArray[Any]:
    """A batch of a column as (rows, *shape), in the type of the file; booleans as such.

    Raises:
        DatasetError: a row that holds no such array, or numbers that float32 cannot hold; the
            message names its row.
    """
    wrong = misfits(column, spec)
    if wrong.rows:
        raise DatasetError(f"Row {first_row + wrong.rows[0]} of {uri} {wrong.complaint}.")
    how = _reading(column, spec)
    if how is None:
        raise DatasetError(f"{uri} has no rows from row {first_row} on.")
    held = _innermost(column, how).to_numpy(zero_copy_only=False)
    axes = (0, *(axis + 1 for axis in how.axes))
    array: npt.NDArray[Any] = held.reshape(len(column), *how.stored).transpose(axes)
    return array


def misfits(column: Any, spec: ArraySpec) -> Misfits:
    """The rows of a batch that are null, hold a null, have another shape, or unusable numbers."""
    how = _reading(column, spec)
    rows = list(range(len(column))) if how is None else _misshapen(column, how)
    if rows:
        return Misfits(rows, _complaint(column, spec, rows[0]))
    if how is None:
        return NONE
    flat = _innermost(column, how).to_numpy(zero_copy_only=False)
    wrong, complaint = numbers.unusable(flat, spec.scale or 1.0)
    if not len(wrong):
        return NONE
    return Misfits(np.unique(wrong // spec.size).tolist(), f"{complaint} in {spec.column}")


def rows_with_nulls(column: Any) -> set[int]:
    """The rows of a batch of lists in which a number is null."""
    flat = column.flatten()
    if not flat.null_count:
        return set()
    parents = np.repeat(np.arange(len(column)), lengths(column))
    return set(parents[flat.is_null().to_numpy(zero_copy_only=False)].tolist())


def _reading(column: Any, spec: ArraySpec) -> Reading | None:
    return reading(nested(column.type), spec)


def _innermost(column: Any, how: Reading) -> Any:
    level = plain(column)
    for _ in how.sizes:
        level = plain(level.flatten())
    return level


def _misshapen(column: Any, how: Reading) -> list[int]:
    level, rows = plain(column), np.arange(len(column))
    found: list[npt.NDArray[np.int64]] = []
    for size in how.sizes:
        wrong = pc.fill_null(pc.not_equal(pc.list_value_length(level), size), True)
        found.append(rows[wrong.to_numpy(zero_copy_only=False)])
        rows = np.repeat(rows, lengths(level))
        level = plain(level.flatten())
    if level.null_count:
        found.append(rows[level.is_null().to_numpy(zero_copy_only=False)])
    rows_found: list[int] = np.unique(np.concatenate(found)).tolist()
    return rows_found


def _complaint(column: Any, spec: ArraySpec, row: int) -> str:
    """Without anything that the row holds; only the lengths of its lists are told."""
    if len(nested(column.type).sizes) == 1:
        return f"does not hold {spec.size} numbers in {spec.column}"
    wanted = f"does not hold numbers of the shape {list(spec.shape)} in {spec.column}"
    shape = _shape(column[row].as_py())
    return wanted if shape is None else f"{wanted}, but of the shape {shape}"


def _shape(value: Any) -> str | None:
    """That of lists in lists; None where there is a null, or lists differ in length."""
    try:
        held = np.asarray(value, dtype=object)
        np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if any(one is None for one in held.ravel()):
        return None
    return str(list(held.shape))
