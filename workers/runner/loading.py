"""From a plan's files to sets of samples."""

from dataclasses import dataclass
from pathlib import Path

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
) -> Sets:
    """Copy the inputs to scratch space, and split them by row position.

    Raises:
        DatasetError: the files are not the ones that were indexed, or nothing remains.
    """
    spec = spec_of(data)
    array = copy_to_disk(references(data.files), spec, data.id_column, work_dir / "inputs.npy")
    keep = np.ones(len(array), dtype=bool)
    keep[excluded] = False
    remaining = np.flatnonzero(keep)
    if not len(remaining):
        raise DatasetError("No sample of the dataset remains: retire the model instead.")
    holdout = None
    if data.holdout_files:
        held_out = copy_to_disk(
            references(data.holdout_files), spec, None, work_dir / "holdout.npy"
        )
        holdout = MappedSamples(held_out, np.arange(len(held_out)), spec.scale)
    return Sets(
        remaining=MappedSamples(array, remaining, spec.scale),
        forgotten=MappedSamples(array, forgotten, spec.scale),
        holdout=holdout,
    )
