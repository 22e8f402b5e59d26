"""Inputs on disk, read by position: what `workers.unlearning` calls `Samples`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from workers.data.decoding import Where
from workers.data.processing import BARE, merge
from workers.data.ragged import Ragged
from workers.data.readers import ArrayReader, Named, Reader
from workers.data.specs import ArraySpec
from workers.unlearning.inputs import Inputs


@dataclass(frozen=True)
class StoredArrays:
    """A column of arrays (n, *shape) on disk."""

    reader: ArrayReader
    array: npt.NDArray[Any]

    def batch(self, rows: npt.NDArray[np.int64], where: Where) -> Named:  # noqa: ARG002
        return self.reader.batch(self.array[rows])


@dataclass(frozen=True)
class StoredRows:
    """A column on disk whose rows have different lengths; none is longer than `longest`."""

    reader: Reader
    ragged: Ragged
    longest: int

    def batch(self, rows: npt.NDArray[np.int64], where: Where) -> Named:
        values = [self.ragged[row] for row in rows.tolist()]
        return self.reader.batch(values, self.longest, where)


class ColumnSamples:
    """Rows of one or more columns on disk, as a model takes them."""

    def __init__(
        self,
        columns: Sequence[StoredArrays | StoredRows],
        rows: npt.NDArray[np.int64],
        what: str = "Row",
    ) -> None:
        """`rows` (m,) are those that this set consists of; refusals call one of them `what`."""
        self._columns = columns
        self._rows = rows
        self._what = what

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, positions: Tensor) -> Inputs:
        """The inputs at `positions` (b,) int64, on the CPU.

        Raises:
            DatasetError: one of them is broken; the message names its row.
        """
        rows = self._rows[positions.cpu().numpy()]

        def where(number: int) -> str:
            return f"{self._what} {rows[number]}"

        return merge([column.batch(rows, where) for column in self._columns])


class MappedSamples(ColumnSamples):
    """Rows of an array, as scaled float32 tensors (b, ...) without a name."""

    def __init__(
        self,
        array: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        scale: float | None = None,
    ) -> None:
        """`array` (n, ...) of numbers; `rows` (m,) are those that this set consists of."""
        spec = ArraySpec("array", array.shape[1:], scale)
        super().__init__([StoredArrays(ArrayReader(spec, BARE), array)], rows)
