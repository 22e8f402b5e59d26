"""What a small file stands for is bounded by what it decodes to, whatever it claims."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workers.indexing.datasets import index_here, plan_of, refusal, table, write
from workers.data import batches as reading
from workers.data import parquet
from workers.data.batches import MIB, batches, decoded_bytes
from workers.data.parquet import open_parquet
from workers.data.specs import ArraySpec, TextSpec
from workers.plan import Indexed

LONG = "x" * 100_000


def repeated(rows: int, value: str) -> pa.Array:
    """The value so many times, and once in memory."""
    indices = pa.array(np.zeros(rows, np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([value]))


@pytest.mark.parametrize("as_dictionary", [True, False], ids=["dictionary", "text"])
def test_a_small_file_that_decodes_to_gigabytes_is_refused(
    as_dictionary: bool, tmp_path: Path
) -> None:
    rows, path = 20_000, tmp_path / "a.parquet"
    held = {"sample_id": [f"s-{n}" for n in range(rows)], "said": repeated(rows, LONG)}
    # Without Arrow's schema the column is read as plain text.
    pq.write_table(pa.table(held), path, store_schema=as_dictionary)
    assert path.stat().st_size < MIB

    reason = refusal(plan_of(path.as_uri(), inputs=[TextSpec("said")]), tmp_path / "work")

    assert path.as_uri() in reason
    assert f"over {reading.MOST_TIMES} times its own" in reason


def test_a_few_rows_that_are_too_large_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", MIB)
    path = write(tmp_path / "a.parquet", table(said=["y" * 2**14] * 300), compression="zstd")

    reason = refusal(plan_of(path.as_uri()), tmp_path / "work")

    assert path.as_uri() in reason
    assert "128 rows from its row 0 on" in reason


def test_a_list_of_far_more_numbers_than_its_shape_is_refused_by_row(tmp_path: Path) -> None:
    numbers = pa.array([[1, 2], np.zeros(2**22, np.uint8), [3, 4]], pa.list_(pa.uint8()))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"sample_id": ["a", "b", "c"], "pixels": numbers}), path)

    plan = plan_of(path.as_uri(), inputs=[ArraySpec("pixels", (2,))])

    assert "Row 1 does not hold 2 numbers" in refusal(plan, tmp_path / "work")


def test_an_id_of_a_million_characters_in_every_row_is_refused_as_an_id(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", table(500, sample_id=repeated(500, "i" * 1_000_000)))

    reason = refusal(plan_of(path.as_uri()), tmp_path / "work")

    assert "has an ID of more than 255 characters" in reason


def test_files_without_end_are_refused_by_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MOST_FILES", 2)
    for name in "abc":
        write(tmp_path / "train" / f"{name}.parquet")

    reason = refusal(plan_of(f"{tmp_path.as_uri()}/**/*.parquet"), tmp_path / "work")

    assert "There are 3 files at" in reason
    assert "a dataset may have 2" in reason


def test_large_values_that_are_honest_come_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same long text in many rows: its file says nothing of what it decodes to."""
    monkeypatch.setattr(reading, "BYTES_A_BATCH", 4 * MIB)
    path = write(tmp_path / "a.parquet", table(2000, said=["z" * 10_000] * 2000))

    with open_parquet(path.as_uri()) as file:
        sizes = [decoded_bytes(batch) for batch in batches(file, ["said"], 2000)]

    assert max(sizes) <= 4 * MIB
    assert sum(sizes) >= 2000 * 10_000
    assert isinstance(index_here(plan_of(path.as_uri()), tmp_path / "work"), Indexed)


def test_small_rows_come_in_batches_as_large_as_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", table(2000))

    with open_parquet(path.as_uri()) as file:
        rows = [len(batch) for batch in batches(file, ["sample_id"], 1000)]

    assert max(rows) == reading.ROWS_AT_ONCE * 7
    assert sum(rows) == 2000


def test_values_of_dictionaries_count_as_often_as_they_stand_there() -> None:
    nested = pa.StructArray.from_arrays([repeated(100, "abcd")], ["bytes"])

    assert decoded_bytes(repeated(100, "abcd")) == 400
    assert decoded_bytes(nested) == 400
    assert decoded_bytes(pa.record_batch({"x": nested, "y": repeated(100, "ab")})) == 600
