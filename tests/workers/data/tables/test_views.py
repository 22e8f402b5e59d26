"""What a view makes of a file: names, types, constants, and the rows that are left."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.data import columns
from workers.data.batches import ParquetFile
from workers.data.errors import DatasetError
from workers.data.specs import ImageSpec
from workers.data.tables.fields import by_name, mapped
from workers.data.tables.live import LiveFile
from workers.data.tables.view import View, named_in_file, template
from workers.data.watched import Watched

NAME = b"name"
INNER = [
    pa.field("bytes", pa.binary(), metadata={NAME: b"f-1"}),
    pa.field("path", pa.string(), metadata={NAME: b"f-2"}),
]
PHOTO = pa.field("photo", pa.struct(INNER), metadata={NAME: b"c-1"})
NUMBERS = pa.field("numbers", pa.list_(pa.int64()), metadata={NAME: b"c-2"})
COUNTRY = pa.field("country", pa.string())


def opened(path: Path) -> ParquetFile:
    return ParquetFile(Watched(io.BytesIO(path.read_bytes())))


def seen(folder: Path, deleted: list[int], **written: Any) -> LiveFile:
    """Six rows as a table sees them that calls the columns otherwise."""
    photos = [{"f-1": b"x" * (row + 1)} for row in range(6)]
    given = {
        "c-1": pa.array(photos, pa.struct([("f-1", pa.binary())])),
        "c-2": pa.array([[row] for row in range(6)], pa.list_(pa.int8())),
        **written,
    }
    pq.write_table(pa.table(given), folder / "a.parquet", row_group_size=4)
    file = opened(folder / "a.parquet")
    find = by_name(NAME)
    fields = [mapped(one, file.schema_arrow, find) for one in (PHOTO, NUMBERS)]
    row = template([*fields, named_in_file(COUNTRY, None)], {"country": "nl"})
    return LiveFile(file, View.of(6, np.array(deleted, np.int64), row), "a.parquet")


@pytest.mark.parametrize("rows", [1, 2, 4, 5, 100])
@pytest.mark.parametrize("deleted", [[], [0, 5], [3, 4], [0, 1, 2, 3]])
def test_deleted_rows_are_left_out_however_batches_are_cut(
    tmp_path: Path, rows: int, deleted: list[int]
) -> None:
    live = seen(tmp_path, deleted)

    batches = list(live.iter_batches(rows, ["numbers", "country"]))

    kept = [row for row in range(6) if row not in deleted]
    assert [one[0] for batch in batches for one in batch["numbers"].to_pylist()] == kept
    assert [one for batch in batches for one in batch["country"].to_pylist()] == ["nl"] * len(kept)
    assert live.metadata.num_rows == len(kept)
    assert {batch.schema.field("numbers").type for batch in batches} == {pa.list_(pa.int64())}


def test_columns_that_no_file_holds_can_be_read_alone(tmp_path: Path) -> None:
    live = seen(tmp_path, [1])

    batches = list(live.iter_batches(4, ["country"]))

    assert [len(batch) for batch in batches] == [3, 2]


def test_fields_of_a_struct_have_the_tables_names_and_are_null_if_they_came_later(
    tmp_path: Path,
) -> None:
    live = seen(tmp_path, [0])

    names = columns.parquet_names(live.schema_arrow, ImageSpec("photo"))
    (batch,) = live.iter_batches(10, names)

    assert names == ["photo.bytes", "photo.path"]
    assert batch.schema.names == ["photo"]
    photos = batch["photo"].to_pylist()
    assert [len(photo["bytes"]) for photo in photos] == [2, 3, 4, 5, 6]
    assert {photo["path"] for photo in photos} == {None}
    assert columns.misfits(batch["photo"], ImageSpec("photo")).rows == []


def test_a_batch_is_as_small_as_large_inputs_under_another_name_ask_for(tmp_path: Path) -> None:
    large = pa.array([{"f-1": bytes(2**22)}] * 6, pa.struct([("f-1", pa.binary())]))

    live = seen(tmp_path, [], **{"c-1": large})

    # The file is compressed, and its metadata tell what it unpacks to.
    assert columns.rows_a_batch(live, ImageSpec("photo")) <= 16


def test_a_file_that_has_other_rows_than_it_had_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"c-2": [1, 2]}), tmp_path / "b.parquet")
    view = View.of(3, np.array([], np.int64), template([COUNTRY], {}))

    with pytest.raises(DatasetError, match="had 3 rows, and has 2: index it again"):
        LiveFile(opened(tmp_path / "b.parquet"), view, "b.parquet")


def test_what_cannot_be_the_tables_type_is_refused_and_not_cast(tmp_path: Path) -> None:
    live = seen(tmp_path, [], **{"c-2": pa.array([["one"]] * 6)})

    with pytest.raises(DatasetError, match=r"numbers of a\.parquet cannot be read as the table's"):
        list(live.iter_batches(10, ["numbers"]))


def test_json_in_a_file_of_a_table_is_not_read_as_its_text(tmp_path: Path) -> None:
    held = pa.ExtensionArray.from_storage(pa.json_(), pa.array([f'"{row}"' for row in range(6)]))
    pq.write_table(pa.table({"text": held}), tmp_path / "a.parquet")
    row = template([named_in_file(pa.field("text", pa.string()), "text")], {})
    view = View.of(6, np.array([], np.int64), row)
    live = LiveFile(opened(tmp_path / "a.parquet"), view, "a.parquet")

    with pytest.raises(DatasetError, match=r"column text of a.parquet holds JSON\. .*utf8"):
        list(live.iter_batches(6, ["text"]))
