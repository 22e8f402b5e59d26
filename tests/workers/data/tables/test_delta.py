"""Delta tables: what is in the table is read, and nothing else of what its files hold."""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from service.core.sources import Sources, of_path
from tests.workers.data.tables.reading import Indexed
from tests.workers.data.tables.written import delta, rows
from workers.data.errors import DatasetError
from workers.data.places import opening
from workers.data.specs import TextSpec

DATABRICKS = Path(__file__).parents[3] / "data" / "delta"
WITH_VECTOR = DATABRICKS / "table-with-dv-small"
IDS = [f"s-{number}" for number in range(8)]
Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def edited(folder: Path, commit: int, kind: str, **changes: Any) -> str:
    """A copy of the table with a deletion vector, one of whose log entries is changed."""
    shutil.copytree(WITH_VECTOR, folder)
    log = folder / "_delta_log" / f"{commit:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if kind in action:
            action[kind] |= changes
    log.write_text("\n".join(map(json.dumps, actions)))
    return folder.as_uri()


def test_rows_that_were_deleted_or_updated_are_as_the_table_has_them(tmp_path: Path) -> None:
    parts = [number % 2 for number in range(8)]
    table = delta(tmp_path / "pets", rows(IDS, part=parts), partition_by=["part"])
    table.delete("sample_id = 's-3'")
    table.update(predicate="sample_id = 's-4'", updates={"pixels": "make_array(70, 71)"})

    indexed = Indexed("delta", (tmp_path / "pets").as_uri())

    read = indexed.arrays(tmp_path)
    assert sorted(read) == [one for one in IDS if one != "s-3"]
    assert read["s-4"] == [70, 71]
    assert all(read[f"s-{n}"] == [n, n + 1] for n in (0, 1, 2, 5, 6, 7))
    assert indexed.version == str(table.version())


def test_rows_of_a_deletion_vector_are_in_no_index() -> None:
    indexed = Indexed("delta", WITH_VECTOR.as_uri(), id_column="value", inputs=[])

    assert indexed.ids == [str(number) for number in range(1, 9)]
    assert [file.rows for file in indexed.files] == [8]
    before = Indexed("delta", WITH_VECTOR.as_uri(), "0", id_column="value", inputs=[])
    assert before.ids == [str(number) for number in range(10)]


def test_a_deletion_vector_inside_the_log_counts_as_well(tmp_path: Path) -> None:
    (file,) = WITH_VECTOR.glob("*.bin")
    vector = file.read_bytes()[5:41]
    inline = base64.b85encode(vector).translate(bytes.maketrans(B85, Z85)).decode()
    entry = {"storageType": "i", "pathOrInlineDv": inline, "sizeInBytes": 36, "cardinality": 2}

    uri = edited(tmp_path / "pets", 1, "add", deletionVector=entry)

    indexed = Indexed("delta", uri, id_column="value", inputs=[])
    assert indexed.ids == [str(number) for number in range(1, 9)]


def test_a_log_that_has_a_vector_read_from_elsewhere_is_refused(tmp_path: Path) -> None:
    (file,) = WITH_VECTOR.glob("*.bin")
    entry = {"storageType": "p", "pathOrInlineDv": file.as_uri(), "offset": 1, "sizeInBytes": 36}

    uri = edited(tmp_path / "pets", 1, "add", deletionVector=entry | {"cardinality": 2})

    with pytest.raises(DatasetError, match=r"1\.json names a file by an absolute path"):
        Indexed("delta", uri, id_column="value", inputs=[])


def test_renamed_columns_and_partitions_come_out_as_the_table_says() -> None:
    texts = Indexed(
        "delta",
        (DATABRICKS / "table_with_column_mapping").as_uri(),
        id_column="Super Name",
        inputs=[TextSpec("Company Very Short")],
    ).texts()
    renamed = Indexed(
        "delta",
        (DATABRICKS / "table_with_partitioning_mapping").as_uri(),
        id_column="newid",
        inputs=[TextSpec("description")],
    ).texts()

    assert set(texts.values()) == {"BMS", "BME"}
    assert [ID for ID, company in texts.items() if company == "BME"] == ["Timothy Lamb"]
    assert renamed == {"2": "Additional data", "1": "Initial data"}


def test_columns_are_found_by_number_where_the_table_says_so(tmp_path: Path) -> None:
    shutil.copytree(DATABRICKS / "table_with_column_mapping", tmp_path / "pets")
    log = tmp_path / "pets" / "_delta_log" / f"{0:020}.json"
    text = log.read_text().replace('mode":"name"', 'mode":"id"')
    log.write_text(text.replace("col-3877fd94-0973-4941-ac6b-646849a1ff65", "col-other"))

    indexed = Indexed("delta", (tmp_path / "pets").as_uri(), id_column="Super Name", inputs=[])

    assert len(indexed.ids) == 5


def test_partitions_are_ids_although_no_file_holds_them(tmp_path: Path) -> None:
    names = ["a:b", "c d", "ü%20"]
    table = delta(tmp_path / "pets", rows(names), partition_by=["sample_id"])

    indexed = Indexed("delta", (tmp_path / "pets").as_uri())

    assert len(table.file_uris()) == 3
    assert indexed.arrays(tmp_path) == {"a:b": [0, 1], "c d": [1, 2], "ü%20": [2, 3]}


def test_a_column_that_came_later_is_null_in_older_rows(tmp_path: Path) -> None:
    delta(tmp_path / "pets", rows(["a", "b"]))
    later = rows(["c"], note=pa.array(["fine"]))
    write_deltalake(tmp_path / "pets", later, mode="append", schema_mode="merge")
    uri = (tmp_path / "pets").as_uri()

    assert sorted(Indexed("delta", uri).ids) == ["a", "b", "c"]
    with pytest.raises(DatasetError, match="does not hold a text in note"):
        Indexed("delta", uri, inputs=[TextSpec("note")])


def test_a_column_whose_type_was_widened_is_of_the_wider_type_in_all_files(tmp_path: Path) -> None:
    wider = json.dumps(
        {
            "type": "struct",
            "fields": [{"name": "value", "type": "long", "nullable": True, "metadata": {}}],
        }
    )
    uri = edited(tmp_path / "pets", 0, "metaData", schemaString=wider)

    indexed = Indexed("delta", uri, id_column="value", inputs=[])

    (view,) = [file.view for file in indexed.files]
    assert view is not None
    assert view.template.schema.field("value").type == pa.int64()
    assert indexed.ids == [str(number) for number in range(1, 9)]


def test_a_version_is_read_again_after_the_table_has_moved_on(tmp_path: Path) -> None:
    table = delta(tmp_path / "pets", rows(["a", "b", "c"]))
    uri = (tmp_path / "pets").as_uri()
    first = Indexed("delta", uri)
    table.delete("sample_id = 'b'")
    write_deltalake(tmp_path / "pets", rows(["d"]), mode="append")

    assert sorted(Indexed("delta", uri).ids) == ["a", "c", "d"]
    assert Indexed("delta", uri, "0").ids == ["a", "b", "c"]
    assert first.arrays(tmp_path) == {"a": [0, 1], "b": [1, 2], "c": [2, 3]}
    assert (first.version, Indexed("delta", uri).version) == ("0", "2")


def test_a_table_that_has_removed_what_was_indexed_is_to_be_indexed_again(tmp_path: Path) -> None:
    table = delta(tmp_path / "pets", rows(["a", "b"]))
    write_deltalake(table, rows(["c"]), mode="append")
    indexed = Indexed("delta", (tmp_path / "pets").as_uri())
    table.update_incremental()
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    with pytest.raises(DatasetError, match=r"is gone: the table has removed it .* Index it again"):
        indexed.arrays(tmp_path)
    assert sorted(Indexed("delta", (tmp_path / "pets").as_uri()).ids) == ["a", "b", "c"]


@pytest.mark.parametrize("path", ["{outside}", "../outside/a.parquet"])
def test_a_log_names_no_file_out_of_what_may_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "outside").mkdir()
    pq.write_table(pa.table({"value": [7]}), tmp_path / "outside" / "a.parquet")
    outside = (tmp_path / "outside" / "a.parquet").as_uri()
    (tmp_path / "inside").mkdir()
    named = {"path": path.format(outside=outside), "deletionVector": None}
    uri = edited(tmp_path / "inside" / "pets", 1, "add", **named)
    only = Sources((of_path(tmp_path / "inside"),))
    monkeypatch.setattr(opening, "allowed", lambda: only)

    with pytest.raises(DatasetError, match=r"a\.parquet is not opened: It"):
        Indexed("delta", uri, id_column="value", inputs=[])


def test_a_link_in_a_log_is_not_followed(tmp_path: Path) -> None:
    table = delta(tmp_path / "pets", rows(["a"]))
    log = tmp_path / "pets" / "_delta_log"
    shutil.move(log / f"{0:020}.json", tmp_path / "away.json")
    (log / f"{0:020}.json").symlink_to(tmp_path / "away.json")
    assert table.version() == 0

    with pytest.raises(DatasetError, match="is a link that leads out of it"):
        Indexed("delta", (tmp_path / "pets").as_uri())


def test_a_deletion_vector_that_leads_out_or_is_a_pipe_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(WITH_VECTOR, tmp_path / "pets")
    only = Sources((of_path(tmp_path / "pets"),))
    monkeypatch.setattr(opening, "allowed", lambda: only)
    (vector,) = (tmp_path / "pets").glob("*.bin")
    shutil.move(vector, tmp_path / "away.bin")

    vector.symlink_to(tmp_path / "away.bin")
    with pytest.raises(DatasetError, match=r"deletion_vector_61d16c75\S* is not opened"):
        Indexed("delta", (tmp_path / "pets").as_uri(), id_column="value", inputs=[])
    vector.unlink()
    os.mkfifo(vector)
    with pytest.raises(DatasetError, match="is no regular file, but a pipe"):
        Indexed("delta", (tmp_path / "pets").as_uri(), id_column="value", inputs=[])


def test_a_log_with_a_pipe_is_not_opened(tmp_path: Path) -> None:
    delta(tmp_path / "pets", rows(["a"]))
    os.mkfifo(tmp_path / "pets" / "_delta_log" / "_last_checkpoint")

    with pytest.raises(DatasetError, match="_last_checkpoint is no regular file, but a pipe"):
        Indexed("delta", (tmp_path / "pets").as_uri())


@pytest.mark.parametrize(
    ("folder", "version", "sentence"),
    [
        ("pets", "7", "There is no version 7 of .* yet: its newest is 0"),
        ("plain", None, "is no Delta table: there is no _delta_log in it"),
    ],
)
def test_what_is_no_such_table_or_version_is_refused(
    tmp_path: Path, folder: str, version: str | None, sentence: str
) -> None:
    delta(tmp_path / "pets", rows(["a"]))
    (tmp_path / "plain").mkdir()

    with pytest.raises(DatasetError, match=sentence):
        Indexed("delta", (tmp_path / folder).as_uri(), version)


def test_a_table_of_more_files_than_a_dataset_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delta(tmp_path / "pets", rows(["a", "b"], part=[0, 1]), partition_by=["part"])
    monkeypatch.setattr("workers.data.parquet.MOST_FILES", 1)

    with pytest.raises(DatasetError, match=r"There are 2 files at .* may have 1"):
        Indexed("delta", (tmp_path / "pets").as_uri())


def test_a_damaged_log_is_told_without_its_words(tmp_path: Path) -> None:
    delta(tmp_path / "pets", rows(["a"]))
    (tmp_path / "pets" / "_delta_log" / f"{1:020}.json").write_text('{"add": "secret')

    with pytest.raises(DatasetError, match=r"a file of its _delta_log is damaged") as caught:
        Indexed("delta", (tmp_path / "pets").as_uri())

    assert "secret" not in str(caught.value)


def test_a_damaged_checkpoint_is_told_by_name(tmp_path: Path) -> None:
    table = delta(tmp_path / "pets", rows(["a"]))
    table.create_checkpoint()
    (checkpoint,) = (tmp_path / "pets" / "_delta_log").glob("*.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])

    with pytest.raises(DatasetError, match=r"checkpoint\.parquet cannot be read as Parquet"):
        Indexed("delta", (tmp_path / "pets").as_uri())


def test_a_feature_that_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    features = ["deletionVectors", "catalogManaged"]

    uri = edited(tmp_path / "pets", 0, "protocol", readerFeatures=features)

    with pytest.raises(DatasetError, match=r"catalogManaged|cannot be read"):
        Indexed("delta", uri, id_column="value", inputs=[])


def test_a_worker_without_the_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delta(tmp_path / "pets", rows(["a"]))
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)

    with pytest.raises(DatasetError, match=r"has no deltalake: .* with the extra `tables`"):
        Indexed("delta", (tmp_path / "pets").as_uri())
