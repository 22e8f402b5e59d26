"""Which columns of images, texts and sounds are taken, and which rows are refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workers.data.media import encoded_sound, pngs, structs, tone
from workers.data.columns import misfits
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, TextSpec, spec_of

IMAGE, TEXT, SOUND = ImageSpec("given"), TextSpec("given"), AudioSpec("given", 8000)
WAV = encoded_sound(tone(440, 0.01))
SAMPLES = pa.list_(pa.float32())


def index(directory: Path, inputs: list[InputSpec], column: pa.Array, **more: Any) -> int:
    """Index a column in two files of several row groups each, once as held-out data as well."""
    table = pa.table({"sample_id": [str(n) for n in range(len(column))], "given": column, **more})
    half = len(column) // 2
    pq.write_table(table.slice(0, half), directory / "a.parquet", row_group_size=2)
    pq.write_table(table.slice(half), directory / "b.parquet", row_group_size=2)
    files: list[dict[str, Any]] = []
    chunks = read_ids(directory.as_uri(), "sample_id", inputs, 255, files.append)
    rows = sum(len(chunk.ids) for chunk in chunks)
    assert [file["rows"] for file in read_holdout(directory.as_uri(), inputs)] == [
        file["rows"] for file in files
    ]
    return rows


GOOD: list[tuple[InputSpec, pa.Array]] = [
    (IMAGE, pa.array(pngs(6), pa.binary())),
    (IMAGE, pa.array(pngs(6), pa.large_binary())),
    (IMAGE, structs(pngs(6))),
    (TEXT, pa.array(["to be", "", "or not"] * 2)),
    (TEXT, pa.array(["to be", "", "or not"] * 2, pa.large_string())),
    (TEXT, pa.array(["to be", "", "or not"] * 2).dictionary_encode()),
    (SOUND, structs([WAV] * 6)),
    (SOUND, pa.array([WAV] * 6)),
    (SOUND, pa.array([[0.5, -0.5], [0.25]] * 3, SAMPLES)),
    (SOUND, pa.array([[1, 2], [3, 4]] * 3, pa.list_(pa.int16(), 2))),
]


@pytest.mark.parametrize(("spec", "column"), GOOD)
def test_columns_of_these_types_are_taken(
    tmp_path: Path, spec: InputSpec, column: pa.Array
) -> None:
    assert index(tmp_path, [spec], column) == 6


def test_several_columns_are_taken_together(tmp_path: Path) -> None:
    photo = ImageSpec("photo")

    assert index(tmp_path, [TEXT, photo], pa.array(["a"] * 6), photo=structs(pngs(6))) == 6


WRONG: list[tuple[InputSpec, pa.Array]] = [
    (IMAGE, pa.array(["no bytes"])),
    (IMAGE, pa.array([{"path": "digit.png"}])),
    (IMAGE, pa.array([{"bytes": "text"}])),
    (TEXT, pa.array([b"no text"])),
    (TEXT, pa.array([7]).dictionary_encode()),
    (SOUND, pa.array(["no sound"])),
    (SOUND, pa.array([[1, 2]], pa.list_(pa.uint8()))),
    (SOUND, pa.array([["a"]])),
]


@pytest.mark.parametrize(("spec", "column"), WRONG)
def test_columns_of_other_types_are_refused_by_name(
    tmp_path: Path, spec: InputSpec, column: pa.Array
) -> None:
    with pytest.raises(DatasetError, match=r"The column given of .* holds .*, not "):
        index(tmp_path, [spec], column)


@pytest.mark.parametrize("column", [pa.array(["0.png"]), pa.array([{"path": "0.png"}])])
def test_columns_of_names_of_files_are_told_how_to_embed_them(
    tmp_path: Path, column: pa.Array
) -> None:
    with pytest.raises(DatasetError, match=r"never opened: embed what they hold, .*embed_table_st"):
        index(tmp_path, [IMAGE], column)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), structs(pngs(1))]
    table = pa.Table.from_arrays(columns, ["sample_id", "sample_id", "given"])
    pq.write_table(table, tmp_path / "a.parquet")

    with pytest.raises(DatasetError, match="has 2 columns that are called sample_id: keep one"):
        list(read_ids(tmp_path.as_uri(), "sample_id", [IMAGE], 255, lambda _: None))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no column photo"):
        index(tmp_path, [ImageSpec("photo")], structs(pngs(1)))


NOTHING = {"bytes": None, "path": None}
MISSING: list[tuple[InputSpec, pa.Array, str]] = [
    (IMAGE, pa.array([*pngs(3), None, b"", *pngs(2), None]), "an encoded image"),
    (
        IMAGE,
        pa.concat_arrays(
            [
                structs(pngs(3)),
                pa.array([NOTHING, {"bytes": b""}], structs([]).type),
                structs(pngs(2)),
                pa.array([None], structs([]).type),
            ]
        ),
        "an encoded image",
    ),
    (TEXT, pa.array(["a", "", "b", None, None, "c", "d", None]), "a text"),
    (SOUND, pa.array([WAV] * 3 + [None, b"", WAV, WAV, None]), "a sound"),
    (SOUND, pa.array([[1.0]] * 3 + [[], None, [2.0], [3.0], [4.0, None]], SAMPLES), "a sound"),
]


@pytest.mark.parametrize(("spec", "column", "what"), MISSING)
def test_rows_without_an_input_are_named_and_not_quoted(
    tmp_path: Path, spec: InputSpec, column: pa.Array, what: str
) -> None:
    sentence = f"ow 3 does not hold {what} in given"
    with pytest.raises(DatasetError, match=f"R{sentence}"):
        index(tmp_path, [spec], column)
    with pytest.raises(DatasetError, match=f"Held-out r{sentence}"):
        read_holdout(tmp_path.as_uri(), [spec])
    assert misfits(column, spec).rows == [3, 4, 7]
    assert misfits(column.slice(2, 4), spec).rows == [1, 2]


def test_batches_are_as_small_as_the_inputs_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes come from the file's metadata: nothing is read to find them out."""
    monkeypatch.setattr("workers.data.columns.BYTES_A_BATCH", 3 * len(pngs(1)[0]))
    table = pa.table({"sample_id": [str(n) for n in range(8)], "given": structs(pngs(8))})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)

    chunks = list(read_ids(tmp_path.as_uri(), "sample_id", [IMAGE], 255, lambda _: None))

    assert max(len(chunk.ids) for chunk in chunks) in (2, 3)


def test_what_is_stored_with_a_dataset_is_read_back() -> None:
    array = {"column": "p", "kind": "array", "shape": [1, 2], "scale": None}

    assert spec_of(array) == ArraySpec("p", (1, 2), None)
    assert spec_of({"column": "given", "kind": "image"}) == IMAGE
    assert spec_of({"column": "given", "kind": "text"}) == TEXT
    assert spec_of({"column": "given", "kind": "audio", "sampling_rate": 8000}) == SOUND
