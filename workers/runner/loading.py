"""From a plan's files to sets of samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.data.arrays import ArraySpec, FileRef, copy_to_disk
from workers.data.errors import DatasetError
from workers.data.samples import MappedSamples
from workers.plan import DataFile, DataPlan


@dataclass(frozen=True)
class Sets:
    """The three sets of an unlearning problem. None of them holds a label."""

    remaining: MappedSamples
    forgotten: MappedSamples
    holdout: MappedSamples | None


def spec_of(data: DataPlan) -> ArraySpec:
    return ArraySpec(data.column, tuple(data.shape), data.scale)


def references(files: list[DataFile]) -> list[FileRef]:
    return [FileRef(file.uri, file.rows, file.digest) for file in files]


def load_sets(
    data: DataPlan,
    forgotten: npt.NDArray[np.int64],
    excluded: npt.NDArray[np.int64],
    work_dir: Path,
    *,
    copied: bool = False,
) -> Sets:
    """Copy the inputs to scratch space, and split them by row position.

    If they have been `copied` there, by another process of the same run, they are only opened.

    Raises:
        DatasetError: the files are not the ones that were indexed, or nothing remains.
    """
    spec = spec_of(data)

    def array_of(files: list[DataFile], id_column: str | None, name: str) -> npt.NDArray[Any]:
        if copied:
            opened: npt.NDArray[Any] = np.load(work_dir / name, mmap_mode="r", allow_pickle=False)
            return opened
        return copy_to_disk(references(files), spec, id_column, work_dir / name)

    array = array_of(data.files, data.id_column, "inputs.npy")
    keep = np.ones(len(array), dtype=bool)
    keep[excluded] = False
    remaining = np.flatnonzero(keep)
    if not len(remaining):
        raise DatasetError("No sample of the dataset remains: retire the model instead.")
    holdout = None
    if data.holdout_files:
        held_out = array_of(data.holdout_files, None, "holdout.npy")
        holdout = MappedSamples(held_out, np.arange(len(held_out)), spec.scale)
    return Sets(
        remaining=MappedSamples(array, remaining, spec.scale),
        forgotten=MappedSamples(array, forgotten, spec.scale),
        holdout=holdout,
    )
