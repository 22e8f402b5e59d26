"""IDs out of Parquet files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.data.errors import DatasetError
from workers.data.ids import as_text
from workers.data.index import Chunk, read_holdout, read_ids
from workers.data.parquet import IDDigest, list_files
from workers.data.specs import ArraySpec

PIXELS = ArraySpec("pixels", (2,), None)


def write(path: Path, ids: Any, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pa.array([[1, 2]] * len(ids), pa.list_(pa.uint8()))
    pq.write_table(pa.table({"sample_id": ids, "pixels": pixels, **columns}), path)


def index(uri: str, limit: int = 255) -> tuple[list[Chunk], list[dict[str, Any]]]:
    files: list[dict[str, Any]] = []
    return list(read_ids(uri, "sample_id", [PIXELS], limit, files.append)), files


def test_files_are_read_in_order_of_name_and_rows_count_on(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", ["x", "y"])
    write(tmp_path / "a.parquet", ["u", "v", "w"])

    chunks, files = index(f"{tmp_path.as_uri()}/*.parquet")

    rows = [(chunk.first_row, chunk.ids.to_pylist()) for chunk in chunks]
    assert rows == [(0, ["u", "v", "w"]), (3, ["x", "y"])]
    assert [(Path(file["uri"]).name, file["rows"]) for file in files] == [
        ("a.parquet", 3),
        ("b.parquet", 2),
    ]


def test_a_directory_a_file_and_a_glob_name_the_same_files(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["u"])
    (tmp_path / "notes.txt").write_text("no data")

    by_folder, by_file, by_glob = (
        list_files(uri)
        for uri in (
            tmp_path.as_uri(),
            (tmp_path / "a.parquet").as_uri(),
            f"{tmp_path.as_uri()}/*.parquet",
        )
    )

    assert by_folder == by_file == by_glob == [(tmp_path / "a.parquet").as_uri()]


def test_integers_are_ids_in_decimal(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.array([7, -1, 2**60]))

    chunks, _ = index(tmp_path.as_uri())

    assert chunks[0].ids.to_pylist() == ["7", "-1", str(2**60)]


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (["a", None, "c", None], "Row 1, 3 has no ID"),
        (["a", "", "c"], "Row 1 has an empty ID"),
        (["a", "b", "c" * 9], "Row 2 has an ID of more than 8 characters"),
        (["a\x00b", "b"], "Row 0 has a NUL in its ID"),
    ],
)
def test_bad_ids_are_told_by_row_and_never_quoted(
    tmp_path: Path, ids: list[str | None], sentence: str
) -> None:
    write(tmp_path / "a.parquet", pa.array(ids, pa.string()))

    with pytest.raises(DatasetError, match=sentence) as refused:
        index(tmp_path.as_uri(), limit=8)

    assert "ccccccccc" not in str(refused.value)


def test_row_numbers_count_over_all_files(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["u", "v"])
    write(tmp_path / "b.parquet", pa.array(["w", None], pa.string()))

    with pytest.raises(DatasetError, match="Row 3 has no ID"):
        index(tmp_path.as_uri())


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"pixels": pa.array([[1, 2]])}, "has no column sample_id"),
        ({"sample_id": ["a"]}, "has no column pixels"),
        ({"sample_id": [1.5], "pixels": pa.array([[1, 2]])}, "must hold text, integers or UUIDs"),
        ({"sample_id": ["a"], "pixels": ["no list"]}, "not lists of numbers"),
        (
            {"sample_id": ["a"], "pixels": pa.FixedSizeListArray.from_arrays([1, 2, 3], 3)},
            "lists of 3 numbers; the shape",
        ),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, columns: dict[str, Any], sentence: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")

    with pytest.raises(DatasetError, match=sentence):
        index(tmp_path.as_uri())


def test_what_is_not_there_or_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"not parquet at all")

    with pytest.raises(DatasetError, match="There is no file at"):
        index(f"{tmp_path.as_uri()}/*.csv")
    with pytest.raises(DatasetError, match="is not Parquet: it is text"):
        index(tmp_path.as_uri())
    with pytest.raises(DatasetError, match="is not opened"):
        index("nosuchscheme://bucket/data")


def test_held_out_files_need_no_ids(tmp_path: Path) -> None:
    table = pa.table({"pixels": pa.array([[1, 2], [3, 4]])})
    pq.write_table(table, tmp_path / "a.parquet")

    (file,) = read_holdout(tmp_path.as_uri(), [PIXELS])

    assert file["rows"] == 2


RAGGED = [
    ([[1, 2], [1], [1, 2], [1, 2, 3]], "Row 1, 3 does not hold 2 numbers in pixels"),
    ([[1, 2], None, [3, 4]], "Row 1 does not hold 2 numbers"),
    ([[1, 2], [3, None]], "Row 1 does not hold 2 numbers"),
    ([[], [1, 2], [1, 2]], "Row 0 does not hold 2 numbers"),
    ([[1, 2, 3], [1], [1, 2]], "Row 0, 1 does not hold 2 numbers"),
    ([[1]] * 9, "Row 0, 1, 2, 3, 4 and others does not hold 2 numbers"),
]
LISTS = [pa.list_(pa.uint8()), pa.large_list(pa.float32())]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(("pixels", "sentence"), RAGGED)
def test_lists_of_another_length_than_the_shape_are_refused_by_row(
    tmp_path: Path, pixels: Any, sentence: str, kind: pa.DataType
) -> None:
    write_lists(tmp_path / "a.parquet", pixels, kind)

    with pytest.raises(DatasetError, match=sentence):
        index(tmp_path.as_uri())
    with pytest.raises(DatasetError, match=f"Held-out r{sentence[1:]}"):
        read_holdout(tmp_path.as_uri(), [PIXELS])


def write_lists(path: Path, pixels: Any, kind: pa.DataType) -> None:
    ids = [f"{path.stem}-{n}" for n in range(len(pixels))]
    table = pa.table({"sample_id": ids, "pixels": pa.array(pixels, kind)})
    pq.write_table(table, path, row_group_size=2)


@pytest.mark.parametrize("kind", [*LISTS, pa.list_(pa.int32(), 2)])
def test_a_missing_list_in_a_later_file_and_batch_is_named(
    tmp_path: Path, kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.data.index.NUMBERS_A_BATCH", 6)
    write_lists(tmp_path / "a.parquet", [[1, 2]] * 5, kind)
    assert [len(chunk.ids) for chunk in index(tmp_path.as_uri())[0]] == [3, 2]
    write_lists(tmp_path / "b.parquet", [[1, 2]] * 4 + [None], kind)

    with pytest.raises(DatasetError, match="Row 9 does not hold 2 numbers in pixels"):
        index(tmp_path.as_uri())


@given(st.lists(st.text(max_size=6), max_size=30), st.integers(1, 7))
def test_a_digest_does_not_depend_on_the_batches(ids: list[str], size: int) -> None:
    whole, cut = IDDigest(), IDDigest()
    column = as_text(pa.array(ids, pa.string()))
    whole.update(column)
    for start in range(0, len(ids), size):
        cut.update(column.slice(start, size))

    assert whole.hexdigest() == cut.hexdigest()


def test_a_digest_tells_where_one_id_ends_and_the_next_begins() -> None:
    one, other = IDDigest(), IDDigest()
    one.update(as_text(pa.array(["ab", "c"])))
    other.update(as_text(pa.array(["a", "bc"])))

    assert one.hexdigest() != other.hexdigest()
