"""Columns of different lengths on scratch space."""

import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workers.data.media import pngs, structs, write
from workers.data.copying import copy_ragged, copy_to_disk
from workers.data.errors import DatasetError
from workers.data.parquet import FileRef
from workers.data.ragged import Ragged, allocate, write_ragged
from workers.data.specs import ArraySpec, ImageSpec

SPEC = ImageSpec("image")


def as_bytes(column: Any, _: int) -> list[npt.NDArray[Any]]:
    held = column.field("bytes") if pa.types.is_struct(column.type) else column
    return [np.frombuffer(one.as_py(), np.uint8) for one in held]


def copy(files: list[FileRef], target: Path, id_column: str | None = "sample_id") -> Ragged:
    return copy_ragged(files, SPEC, id_column, target, as_bytes, np.uint8)


@pytest.mark.parametrize("column", [structs, pa.array])
def test_rows_of_all_files_are_kept_in_order(tmp_path: Path, column: Any) -> None:
    images = pngs(7)
    files = [
        write(tmp_path / "a.parquet", image=column(images[:4])),
        write(tmp_path / "b.parquet", image=column(images[4:])),
    ]

    ragged = copy(files, tmp_path / "inputs.bin")

    assert [ragged[row].tobytes() for row in range(len(ragged))] == list(images)
    assert ragged.longest == max(map(len, images))


@pytest.mark.parametrize("rows", [[], [[]], [[], [1, 2, 3], [], [4]]])
def test_any_row_may_be_empty(tmp_path: Path, rows: list[list[int]]) -> None:
    arrays = [np.array(row, np.int32) for row in rows]

    ragged = write_ragged(
        tmp_path / "rows.bin", np.int32, len(rows), iter([arrays[:2], arrays[2:]])
    )

    assert [ragged[row].tolist() for row in range(len(ragged))] == rows
    assert ragged.longest == max([0, *map(len, rows)])


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_rows_are_never_cast_to_a_type_that_does_not_hold_them(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(TypeError, match="Cannot cast"):
        write_ragged(tmp_path / "rows.bin", np.int32, 1, [[np.array([1], kind)]])


def test_a_file_that_changed_since_it_was_indexed_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", image=structs(pngs(3)))
    table = pq.read_table(tmp_path / "a.parquet")

    pq.write_table(table.take([1, 0, 2]), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="changed since it was indexed"):
        copy([file], tmp_path / "inputs.bin")

    pq.write_table(table.slice(0, 2), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="had 3 rows, and has 2"):
        copy([file], tmp_path / "inputs.bin")

    pq.write_table(table.drop_columns("sample_id"), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="has no column sample_id"):
        copy([file], tmp_path / "inputs.bin")

    pq.write_table(table.drop_columns("image"), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="has no column image"):
        copy([file], tmp_path / "inputs.bin")


def test_held_out_files_need_no_ids(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": structs(pngs(2))}), tmp_path / "a.parquet")
    file = FileRef((tmp_path / "a.parquet").as_uri(), 2, "")

    assert len(copy([file], tmp_path / "inputs.bin", id_column=None)) == 2


def test_memory_stays_at_a_batch_of_one_large_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.data.columns.BYTES_A_BATCH", 2**21)
    rows, size = 320, 100_000
    column = pa.array([np.random.default_rng(row).bytes(size) for row in range(rows)])
    file = write(tmp_path / "a.parquet", image=column)
    pq.write_table(
        pq.read_table(tmp_path / "a.parquet"),
        tmp_path / "a.parquet",
        use_dictionary=False,
        write_batch_size=4,
    )
    del column
    before, arrow = pa.total_allocated_bytes(), []

    def encode(column: Any, first: int) -> list[npt.NDArray[Any]]:
        arrow.append(pa.total_allocated_bytes() - before)
        return as_bytes(column, first)

    tracemalloc.start()
    ragged = copy_ragged([file], SPEC, "sample_id", tmp_path / "i.bin", encode, np.uint8)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(ragged) == rows
    assert len(arrow) > 10
    assert max(arrow) < rows * size / 3
    assert python < rows * size / 3


def test_arrays_are_read_in_batches_that_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.data.arrays.NUMBERS_A_BATCH", 8)
    rows = [[row, row] for row in range(9)]
    file = write(tmp_path / "a.parquet", p=pa.array(rows, pa.list_(pa.uint8())))

    copied = copy_to_disk([file], ArraySpec("p", (2,)), "sample_id", tmp_path / "p.npy")

    assert copied.tolist() == rows


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """The system answers as with a full disk, but by another number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_is_an_error_and_no_crash(tmp_path: Path) -> None:
    parts = ([np.zeros(1000, np.uint8)] for _ in range(100))
    with no_file_over(50_000), pytest.raises(OSError, match="too large"):
        write_ragged(tmp_path / "rows.bin", np.uint8, 100, parts)

    many = ([np.zeros(0, np.uint8)] for _ in range(10_000))
    with no_file_over(50_000), pytest.raises(OSError, match="too large"):
        write_ragged(tmp_path / "rows.bin", np.uint8, 10_000, many)


def test_the_space_of_an_array_is_taken_before_it_is_written(tmp_path: Path) -> None:
    allocate(tmp_path / "array.npy", np.uint8, (1_000_000,))

    assert (tmp_path / "array.npy").stat().st_blocks * 512 >= 1_000_000
