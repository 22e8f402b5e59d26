"""Inputs on disk, read by position: what `workers.unlearning` calls `Samples`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class MappedSamples:
    """Rows of an array on disk, as scaled float32 tensors."""

    def __init__(
        self,
        array: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        scale: float | None = None,
    ) -> None:
        """`array` (n, ...) of numbers; `rows` (m,) are those that this set consists of."""
        self._array = array
        self._rows = rows
        self._scale = scale

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, positions: Tensor) -> Tensor:
        """The inputs at `positions` (b,) int64 -> (b, ...) float32, on the CPU."""
        rows = self._rows[positions.cpu().numpy()]
        inputs = torch.from_numpy(self._array[rows].astype(np.float32))
        return inputs if self._scale is None else inputs.mul_(self._scale)
