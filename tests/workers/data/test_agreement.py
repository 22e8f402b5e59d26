"""Files of one dataset that hold a column in different types: widened, or refused; never cast."""

import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.data.copying import copy_to_disk
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.parquet import FileRef
from workers.data.processing import raw_processing
from workers.data.specs import ArraySpec, AudioSpec, InputSpec
from workers.plan import DataFile, DataPlan
from workers.runner.loading import load_sets

PIXELS = ArraySpec("pixels", (2,))
SOUND = AudioSpec("sound", 8000)


def write(path: Path, **columns: Any) -> None:
    rows = len(next(iter(columns.values())))
    ids = {"sample_id": [f"{path.stem}-{row}" for row in range(rows)]}
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({**ids, **columns}), path)


def index(directory: Path, inputs: list[InputSpec], beside: Any = ()) -> list[FileRef]:
    files: list[dict[str, Any]] = []
    for _ in read_ids(directory.as_uri(), "sample_id", inputs, 255, files.append, beside):
        pass
    return [FileRef(**file) for file in files]


def lists(kind: pa.DataType, rows: list[list[Any]]) -> pa.Array:
    return pa.array(rows, pa.list_(kind))


WIDENED = [
    (pa.int8(), [-128, 127], pa.int16(), [-(2**15), 2**15 - 1], np.int16),
    (pa.uint8(), [0, 255], pa.int8(), [-128, 127], np.int16),
    (pa.bool_(), [True, False], pa.uint8(), [3, 255], np.uint8),
    (pa.int16(), [-(2**15), 3], pa.float32(), [0.1, -2.5], np.float32),
    (pa.float16(), [0.5, 65504.0], pa.uint8(), [1, 255], np.float16),
    (pa.float32(), [0.1, 1e38], pa.float64(), [0.1, -1e-30], np.float64),
    (pa.int32(), [-(2**24), 2**24], pa.float64(), [0.1, 2.0], np.float64),
    (pa.uint32(), [2**24, 0], pa.int64(), [-(2**24), 1], np.int64),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("one", "first", "other", "second", "wide"), WIDENED)
def test_numbers_are_widened_where_none_changes(
    tmp_path: Path, one: Any, first: Any, other: Any, second: Any, wide: Any, turned: bool
) -> None:
    names = ("b", "a") if turned else ("a", "b")
    write(tmp_path / "data" / f"{names[0]}.parquet", pixels=lists(one, [first]))
    write(tmp_path / "data" / f"{names[1]}.parquet", pixels=lists(other, [second]))

    files = index(tmp_path / "data", [PIXELS])
    for given in (files, [replace(file, types={}) for file in files]):
        copied = copy_to_disk(given, PIXELS, "sample_id", tmp_path / "copied.npy")
        expected = [
            np.array(first, one.to_pandas_dtype()),
            np.array(second, other.to_pandas_dtype()),
        ]

        assert copied.dtype == wide
        assert np.array_equal(copied, np.array(expected[::-1] if turned else expected, wide))


REFUSED = [
    (pa.int64(), "int64", pa.float64(), "float64"),
    (pa.int64(), "int64", pa.float32(), "float32"),
    (pa.uint64(), "uint64", pa.int64(), "int64"),
    (pa.uint64(), "uint64", pa.float16(), "float16"),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("one", "first", "other", "second"), REFUSED)
def test_numbers_are_refused_where_no_type_holds_them_all(
    tmp_path: Path, one: Any, first: str, other: Any, second: str, turned: bool
) -> None:
    names = ("b", "a") if turned else ("a", "b")
    write(tmp_path / f"{names[0]}.parquet", pixels=lists(one, [[1, 2]]))
    write(tmp_path / f"{names[1]}.parquet", pixels=lists(other, [[3, 4]]))

    with pytest.raises(DatasetError) as caught:
        index(tmp_path, [PIXELS])

    for word in (first, second, "a.parquet", "b.parquet", "no type holds"):
        assert word in str(caught.value)


def test_a_type_that_changed_since_it_was_indexed_is_refused_by_the_job(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "a.parquet", pixels=lists(pa.int16(), [[1, 2]]))
    files = index(data, [PIXELS])
    write(data / "a.parquet", pixels=lists(pa.float32(), [[0.1, 0.2]]))

    with pytest.raises(DatasetError, match="held int16 when it was indexed, and holds float32"):
        copy_to_disk(files, PIXELS, "sample_id", tmp_path / "copied.npy")


def unrecorded(file: dict[str, Any]) -> DataFile:
    """As it was indexed by a release that did not record types."""
    return DataFile.model_validate({**file, "types": {}})


def test_held_out_files_are_held_against_those_to_train_on(tmp_path: Path) -> None:
    write(tmp_path / "holdout" / "h.parquet", pixels=lists(pa.int64(), [[1, 2]]))
    write(tmp_path / "train" / "a.parquet", pixels=lists(pa.float64(), [[0.5, 1]]))
    apart = read_holdout((tmp_path / "holdout").as_uri(), [PIXELS])

    with pytest.raises(DatasetError, match=r"float64 in .*a\.parquet, and int64 in .*h\.parquet"):
        index(tmp_path / "train", [PIXELS], apart)
    plan = DataPlan(
        files=[unrecorded(asdict(file)) for file in index(tmp_path / "train", [PIXELS])],
        holdout_files=[unrecorded(one) for one in apart],
        id_column="sample_id",
        inputs=[PIXELS],
    )
    nothing = np.array([], np.int64)
    with pytest.raises(DatasetError, match=r"int64 in .*h\.parquet, and float64 in .*a\.parquet"):
        load_sets(plan, nothing, nothing, tmp_path, raw_processing())


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (pa.int16(), pa.int32(), False),
        (pa.int8(), pa.int16(), False),
        (pa.int16(), pa.float32(), False),
        (pa.float32(), pa.float64(), True),
        (pa.float16(), pa.float32(), True),
    ],
)
def test_waveforms_of_other_integers_would_be_louder_or_quieter(
    tmp_path: Path, one: Any, other: Any, fits: bool
) -> None:
    write(tmp_path / "a.parquet", sound=lists(one, [[1, 0]]))
    write(tmp_path / "b.parquet", sound=lists(other, [[1, 0, 1]]))

    if fits:
        assert len(index(tmp_path, [SOUND])) == 2
        return
    with pytest.raises(DatasetError, match=r"holds \w+ in .*b\.parquet, and \w+ in .*a\.parquet"):
        index(tmp_path, [SOUND])


UUIDS = [uuid.UUID(int=number) for number in (7, 2**127 + 11)]
IDS: dict[str, pa.Array] = {
    "text": pa.array(["07", "08"]),
    "large text": pa.array(["09", "10"], pa.large_string()),
    "text in views": pa.array(["11", "12"], pa.string_view()),
    "categories": pa.array(["13", "14"]).dictionary_encode(),
    "integers": pa.array([7, 8], pa.int8()),
    "large integers": pa.array([2**64 - 1, 10], pa.uint64()),
    "decimals": pa.array([15, -16], pa.decimal128(20, 0)),
    "UUIDs": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([one.bytes for one in UUIDS], pa.binary(16))
    ),
}


def index_ids(directory: Path, **columns: pa.Array) -> list[str]:
    for name, ids in columns.items():
        pixels = lists(pa.uint8(), [[1, 2]] * len(ids))
        pq.write_table(
            pa.table({"sample_id": ids, "pixels": pixels}), directory / f"{name}.parquet"
        )
    uri = directory.as_uri()
    chunks = read_ids(uri, "sample_id", [PIXELS], 255, lambda _: None)
    return [one for chunk in chunks for one in chunk.ids.to_pylist()]


@pytest.mark.parametrize(
    ("one", "other", "ids"),
    [
        ("text", "large text", ["07", "08", "09", "10"]),
        ("text in views", "categories", ["11", "12", "13", "14"]),
        ("integers", "large integers", ["7", "8", "18446744073709551615", "10"]),
        ("decimals", "integers", ["15", "-16", "7", "8"]),
        ("UUIDs", "UUIDs", [str(one) for one in UUIDS] * 2),
    ],
)
def test_ids_of_one_kind_go_together_whatever_their_layout(
    tmp_path: Path, one: str, other: str, ids: list[str]
) -> None:
    assert index_ids(tmp_path, a=IDS[one], b=IDS[other]) == ids


@pytest.mark.parametrize(
    ("one", "first", "other", "second"),
    [
        ("text", "text", "integers", "integers"),
        ("decimals", "integers", "categories", "text"),
        ("text in views", "text", "UUIDs", "UUIDs"),
    ],
)
def test_ids_of_two_kinds_are_refused_by_both(
    tmp_path: Path, one: str, first: str, other: str, second: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        index_ids(tmp_path, a=IDS[one], b=IDS[other])

    sentence = str(caught.value)
    assert f"holds {second} in {(tmp_path / 'b.parquet').as_uri()}" in sentence
    assert f"and {first} in {(tmp_path / 'a.parquet').as_uri()}" in sentence
    # Folders of tests have numbers, too.
    assert "07" not in sentence.replace(tmp_path.as_uri(), "")


def test_a_file_without_rows_has_no_types(tmp_path: Path) -> None:
    """Pandas writes an empty table's columns as whatever it likes."""
    pq.write_table(pa.table({"sample_id": pa.nulls(0)}), tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", pixels=lists(pa.uint8(), [[1, 2]]))

    files = index(tmp_path, [PIXELS])

    assert [file.types for file in files] == [{}, {"pixels": "uint8", "sample_id": "text"}]
    copied = copy_to_disk(files, PIXELS, "sample_id", tmp_path / "copied.npy")
    assert copied.tolist() == [[1, 2]]


def test_a_column_that_one_file_of_a_folder_lacks_is_told_by_both(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pixels=lists(pa.uint8(), [[1, 2]]))
    pq.write_table(pa.table({"sample_id": ["x"]}), tmp_path / "b.parquet")

    with pytest.raises(
        DatasetError, match=r"b\.parquet has no column pixels\. .*a\.parquet has that"
    ):
        index(tmp_path, [PIXELS])
