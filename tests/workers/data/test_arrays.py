"""Input columns copied to disk, and read by position."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from workers.data.copying import copy_to_disk
from workers.data.errors import DatasetError
from workers.data.ids import as_text
from workers.data.parquet import FileRef, IDDigest
from workers.data.samples import MappedSamples
from workers.data.specs import ArraySpec

SPEC = ArraySpec("pixels", (1, 2, 2), 0.5)


def reference(path: Path, ids: list[str]) -> FileRef:
    digest = IDDigest()
    digest.update(as_text(pa.array(ids)))
    return FileRef(path.as_uri(), len(ids), digest.hexdigest())


def write(path: Path, ids: list[str], pixels: Any) -> FileRef:
    pq.write_table(pa.table({"sample_id": ids, "pixels": pixels}), path)
    return reference(path, ids)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.uint8()), pa.large_list(pa.int16()), pa.list_(pa.float32(), 4)],
)
def test_lists_of_all_kinds_become_one_array_in_the_order_of_the_files(
    tmp_path: Path, kind: pa.DataType
) -> None:
    first = write(tmp_path / "a.parquet", ["u"], pa.array([[1, 2, 3, 4]], kind))
    second = write(tmp_path / "b.parquet", ["v"], pa.array([[5, 6, 7, 8]], kind))

    array = copy_to_disk([first, second], SPEC, "sample_id", tmp_path / "inputs.npy")

    assert array.dtype == np.dtype(kind.value_type.to_pandas_dtype())
    assert array.tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]


@pytest.mark.parametrize(
    "pixels", [[[1, 2, 3, 4], [1, 2, 3]], [[1, 2, 3, 4], None], [[1, 2, 3, 4], [1, 2, 3, None]]]
)
def test_a_row_with_another_number_of_numbers_is_named(
    tmp_path: Path, pixels: list[list[int | None] | None]
) -> None:
    column = pa.array(pixels, pa.list_(pa.uint8()))
    file = write(tmp_path / "a.parquet", ["u", "v"], column)

    with pytest.raises(DatasetError, match=r"Row 1 of .* does not hold 4 numbers"):
        copy_to_disk([file], SPEC, "sample_id", tmp_path / "inputs.npy")


def test_two_wrong_lengths_that_add_up_are_still_wrong(tmp_path: Path) -> None:
    column = pa.array([[1, 2, 3], [1, 2, 3, 4, 5]], pa.list_(pa.uint8()))
    file = write(tmp_path / "a.parquet", ["u", "v"], column)

    with pytest.raises(DatasetError, match="Row 0"):
        copy_to_disk([file], SPEC, "sample_id", tmp_path / "inputs.npy")


def test_a_file_that_changed_since_it_was_indexed_is_refused(tmp_path: Path) -> None:
    """A row position would mean another sample: somebody else's data would be forgotten."""
    pixels = pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.uint8()))
    file = write(tmp_path / "a.parquet", ["u", "v"], pixels)
    write(tmp_path / "a.parquet", ["v", "u"], pixels)

    with pytest.raises(DatasetError, match="changed since it was indexed"):
        copy_to_disk([file], SPEC, "sample_id", tmp_path / "inputs.npy")

    write(tmp_path / "a.parquet", ["u"], pixels.slice(0, 1))
    with pytest.raises(DatasetError, match="had 2 rows, and has 1"):
        copy_to_disk([file], SPEC, "sample_id", tmp_path / "inputs.npy")


def test_samples_are_scaled_rows_of_the_array() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    samples = MappedSamples(array, np.array([5, 0, 3]), scale=0.5)

    batch = samples.batch(torch.tensor([1, 0]))

    assert len(samples) == 3
    assert isinstance(batch, torch.Tensor)
    assert batch.dtype == torch.float32
    assert batch.tolist() == [[[0.0, 0.5], [1.0, 1.5]], [[10.0, 10.5], [11.0, 11.5]]]
