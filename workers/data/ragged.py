"""Files of scratch space: arrays, and rows of different lengths one after the other."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class Ragged:
    """Rows of different lengths: row r is `flat[offsets[r]:offsets[r + 1]]`."""

    def __init__(self, flat: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> None:
        """`flat` (total,) of any type; `offsets` (rows + 1,) grow from 0 to total."""
        self._flat = flat
        self._offsets = offsets
        self.longest = int(np.diff(offsets).max(initial=0))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return self._flat[self._offsets[row] : self._offsets[row + 1]]


def allocate(target: Path, kind: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A memory-mapped array of zeros whose space is there.

    Raises:
        OSError: the disk is full. That would be a crash at some write into the map otherwise.
    """
    mapped: npt.NDArray[Any] = np.lib.format.open_memmap(target, mode="w+", dtype=kind, shape=shape)
    with target.open("r+b") as handle:
        os.posix_fallocate(handle.fileno(), 0, target.stat().st_size)
    return mapped


def write_ragged(
    target: Path, kind: Any, rows: int, parts: Iterable[Iterable[npt.NDArray[Any]]]
) -> Ragged:
    """Write batches of rows of the type `kind` to `target`, and map what was written.

    Memory stays at one batch. The offsets lie beside the file.

    Raises:
        TypeError: values of a type that `kind` does not hold unchanged.
        OSError: the disk is full.
    """
    offsets = allocate(_beside(target), np.int64, (rows + 1,))
    row = 0
    with target.open("wb") as flat:
        for part in parts:
            for values in part:
                # Of the given type already: a cast could change what is in them.
                held = values.astype(kind, casting="safe", copy=False)
                flat.write(np.ascontiguousarray(held).data)
                offsets[row + 1] = offsets[row] + len(values)
                row += 1
    return _mapped(target, kind, offsets)


def open_ragged(target: Path, kind: Any) -> Ragged:
    """Map what `write_ragged` has written before."""
    return _mapped(target, kind, np.load(_beside(target), mmap_mode="r", allow_pickle=False))


def _mapped(target: Path, kind: Any, offsets: npt.NDArray[np.int64]) -> Ragged:
    if not offsets[-1]:
        return Ragged(np.empty(0, kind), offsets)  # An empty file cannot be mapped.
    return Ragged(np.memmap(target, kind, "r"), offsets)


def _beside(target: Path) -> Path:
    return target.with_suffix(".offsets.npy")
