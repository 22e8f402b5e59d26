"""How deep a column's lists are nested, and which numbers they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pyarrow as pa

from workers.data.errors import DatasetError
from workers.data.layouts import bare, is_list
from workers.data.specs import ArraySpec


@dataclass(frozen=True)
class Nested:
    """Lists in lists. `sizes` from the outermost; None where each row may have another one.

    `permutation` is that of a fixed-shape tensor, whose `sizes` are as they lie in memory.
    """

    number: pa.DataType
    sizes: tuple[int | None, ...]
    permutation: tuple[int, ...] | None = None

    @property
    def is_tensor(self) -> bool:
        return self.permutation is not None

    def __str__(self) -> str:
        shown = _permuted(self.sizes, self.permutation or range(len(self.sizes)))
        return "[" + ", ".join("?" if size is None else str(size) for size in shown) + "]"


@dataclass(frozen=True)
class Reading:
    """How a column's numbers become arrays.

    Its lists have these `sizes`, from the outermost; their numbers lie in the shape `stored`, whose
    axes are then put in the order `axes`.
    """

    sizes: tuple[int, ...]
    stored: tuple[int, ...]
    axes: tuple[int, ...]


def nested(kind: pa.DataType) -> Nested:
    """What is nested in a type; without any `sizes` it is no list at all."""
    if isinstance(kind, pa.FixedShapeTensorType):
        order = tuple(kind.permutation or range(len(kind.shape)))
        return Nested(bare(kind.value_type), tuple(kind.shape), order)
    sizes: list[int | None] = []
    while is_list(kind):
        kind = bare(kind)
        sizes.append(kind.list_size if pa.types.is_fixed_size_list(kind) else None)
        kind = kind.value_type
    return Nested(bare(kind), tuple(sizes))


def reading(held: Nested, spec: ArraySpec) -> Reading | None:
    """How to read such lists as arrays of the registered shape; None if they have another one.

    They are flat, with as many numbers as the shape has, or nested in that very shape.

    Raises:
        DatasetError: a tensor's permutation can be read in two ways.
    """
    shape = spec.shape
    if len(held.sizes) == 1:
        fits = held.sizes[0] in (None, spec.size)
        return Reading((spec.size,), shape, _as_they_are(shape)) if fits else None
    if held.permutation is not None:
        return _of_tensor(held, held.permutation, shape)
    fits = len(held.sizes) == len(shape) and all(
        size in (None, wanted) for size, wanted in zip(held.sizes, shape, strict=True)
    )
    return Reading(shape, shape, _as_they_are(shape)) if fits else None


def _of_tensor(
    held: Nested, permutation: tuple[int, ...], shape: tuple[int, ...]
) -> Reading | None:
    """Arrow says that axis i of the tensor is axis `permutation[i]` of what is stored.

    pyarrow writes what stands at that axis the other way round, so only the shape can tell.
    """
    inverse = tuple(int(axis) for axis in np.argsort(permutation))
    fits = {axes for axes in (permutation, inverse) if _permuted(held.sizes, axes) == shape}
    if len(fits) > 1:
        raise DatasetError(
            f"the permutation {list(permutation)} of tensors of the shape {list(shape)} means one "
            "order by Arrow's format and another to pyarrow. Write them without one."
        )
    stored = tuple(size for size in held.sizes if size is not None)
    return Reading((prod(stored),), stored, fits.pop()) if fits else None


def _permuted(sizes: tuple[int | None, ...], axes: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(sizes[axis] for axis in axes)


def _as_they_are(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(len(shape)))
