"""From a plan's files to sets of samples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from workers.data import columns
from workers.data.arrays import to_numpy
from workers.data.batches import batches
from workers.data.copying import agreed, copy_ragged, copy_to_disk
from workers.data.errors import DatasetError
from workers.data.parquet import FileRef, open_parquet
from workers.data.processing import Processing, merge
from workers.data.ragged import open_ragged
from workers.data.readers import ArrayReader, Named, Reader
from workers.data.samples import ColumnSamples, StoredArrays, StoredRows
from workers.data.token_samples import TokenSamples
from workers.plan import DataFile, DataPlan
from workers.unlearning.base import Samples
from workers.unlearning.inputs import Inputs

EXAMPLES = 8
ROW, HELD_OUT_ROW = "Row", "Held-out row"
Stored: TypeAlias = StoredArrays | StoredRows


@dataclass(frozen=True)
class Sets:
    """The three sets of an unlearning problem. None of them holds a label."""

    remaining: Samples
    forgotten: Samples
    holdout: Samples | None

    def decided(self, decisions: Callable[[Samples], Samples]) -> "Sets":
        """The same with what is decided about in rows, which may be their tokens."""
        holdout = None if self.holdout is None else decisions(self.holdout)
        return Sets(decisions(self.remaining), decisions(self.forgotten), holdout)

    def audited(self, seed: int) -> "Sets":
        """What the audit looks at: of the tokens of a row one, for they are not independent."""
        if not isinstance(self.remaining, TokenSamples):
            return self
        frequencies = self.remaining.frequencies()

        def one_of_each(samples: Samples) -> Samples:
            assert isinstance(samples, TokenSamples)  # noqa: S101 (all sets are)
            return samples.one_of_each(frequencies, seed)

        return self.decided(one_of_each)


def references(files: Sequence[DataFile]) -> list[FileRef]:
    return [FileRef(file.uri, file.rows, file.digest, file.types, file.view) for file in files]


def kinds_of(data: DataPlan) -> set[str]:
    """What the input columns hold."""
    return {spec.kind for spec in data.inputs}


def load_sets(
    data: DataPlan,
    forgotten: npt.NDArray[np.int64],
    excluded: npt.NDArray[np.int64],
    work_dir: Path,
    processing: Processing,
    *,
    copied: bool = False,
) -> Sets:
    """Copy the inputs to scratch space, and split them by row position.

    If they have been `copied` there, by another process of the same run, they are only opened.

    Raises:
        DatasetError: the files are not the ones that were indexed, the model cannot be given such
            inputs, one of them is broken, or nothing remains.
        OSError: the scratch space is full, or the storage failed.
    """
    files, apart = references(data.files), references(data.holdout_files)
    fetch = reopen if copied else copy
    if not copied:
        agreed([*files, *apart], data.inputs)
    stored, held_out = [], []
    for number, reader in enumerate(processing.readers(data.inputs)):
        one = fetch(files, reader, data.id_column, work_dir / f"inputs-{number}", ROW)
        if apart:
            other = fetch(apart, reader, None, work_dir / f"holdout-{number}", HELD_OUT_ROW)
            one, other = of_one_length(one, other)
            held_out.append(other)
        stored.append(one)
    keep = np.ones(sum(file.rows for file in files), dtype=bool)
    keep[excluded] = False
    remaining = np.flatnonzero(keep)
    if not len(remaining):
        raise DatasetError("No sample of the dataset remains: retire the model instead.")
    everything = np.arange(sum(file.rows for file in apart))
    return Sets(
        remaining=ColumnSamples(stored, remaining, ROW),
        forgotten=ColumnSamples(stored, forgotten, ROW),
        holdout=ColumnSamples(held_out, everything, HELD_OUT_ROW) if apart else None,
    )


def copy(
    files: Sequence[FileRef],
    reader: ArrayReader | Reader,
    id_column: str | None,
    target: Path,
    what: str,
) -> Stored:
    """Copy one column of the files to scratch space; refusals call a row `what`."""
    if isinstance(reader, ArrayReader):
        array = copy_to_disk(files, reader.spec, id_column, target.with_suffix(".npy"))
        return StoredArrays(reader, array)

    def encode(column: Any, first: int) -> Iterable[npt.NDArray[Any]]:
        return reader.encode(column, lambda number: f"{what} {first + number}")

    scratch = target.with_suffix(".bin")
    ragged = copy_ragged(files, reader.spec, id_column, scratch, encode, reader.dtype)
    return StoredRows(reader, ragged, ragged.longest)


def reopen(
    _files: Sequence[FileRef],
    reader: ArrayReader | Reader,
    _id_column: str | None,
    target: Path,
    _what: str,
) -> Stored:
    """What `copy` has written, for another process of the same run."""
    if isinstance(reader, ArrayReader):
        array = np.load(target.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        return StoredArrays(reader, array)
    ragged = open_ragged(target.with_suffix(".bin"), reader.dtype)
    return StoredRows(reader, ragged, ragged.longest)


def of_one_length(one: Stored, other: Stored) -> tuple[Stored, Stored]:
    """Two columns whose batches can be padded to the same length."""
    if isinstance(one, StoredRows) and isinstance(other, StoredRows):
        longest = max(one.longest, other.longest)
        return replace(one, longest=longest), replace(other, longest=longest)
    return one, other


def first_batch(data: DataPlan, processing: Processing) -> Inputs:
    """The first rows of the dataset, as the model will see them.

    Raises:
        DatasetError: the model cannot be given such inputs, or one of them is broken.
    """
    file = next(file for file in data.files if file.rows)
    return merge([_first_of(file, reader) for reader in processing.readers(data.inputs)])


def _first_of(file: DataFile, reader: ArrayReader | Reader) -> Named:
    uri = file.uri
    with open_parquet(uri, file.view) as parquet:
        columns.check_column(parquet.schema_arrow, reader.spec, uri)
        names = columns.parquet_names(parquet.schema_arrow, reader.spec)
        column = columns.column_of(next(batches(parquet, names, EXAMPLES)), reader.spec)
    if isinstance(reader, ArrayReader):
        return reader.batch(to_numpy(column, reader.spec, uri, 0))

    def where(number: int) -> str:
        return f"{ROW} {number}"

    rows = list(reader.encode(column, where))
    return reader.batch(rows, max(len(row) for row in rows), where)
