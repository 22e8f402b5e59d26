"""Iceberg tables: what is in the table is read, and nothing else of what its files hold."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, StringType
from pyroaring import BitMap

from service.core.sources import Sources, of_path
from tests.workers.data.tables.reading import Indexed
from tests.workers.data.tables.written import catalog, iceberg, rows
from workers.data.errors import DatasetError
from workers.data.places import opening
from workers.data.specs import TextSpec
from workers.data.tables.iceberg_files import url_of

IDS = [f"s-{number}" for number in range(8)]


def folder_of(table: Any) -> str:
    return str(table.location())


def test_rows_that_were_deleted_or_updated_are_as_the_table_has_them(tmp_path: Path) -> None:
    parts = pa.array([number % 2 for number in range(8)], pa.int64())
    table = iceberg(tmp_path, rows(IDS, part=parts))
    with table.update_spec() as spec:
        spec.add_identity("part")
    table.delete("sample_id == 's-3'")
    changed = rows(["s-4"], part=pa.array([0], pa.int64()))
    table.overwrite(changed, "sample_id == 's-4'")

    indexed = Indexed("iceberg", folder_of(table))

    read = indexed.arrays(tmp_path)
    assert sorted(read) == [one for one in IDS if one != "s-3"]
    assert read["s-4"] == [0, 1]
    assert all(read[f"s-{n}"] == [n, n + 1] for n in (0, 1, 2, 5, 6, 7))
    assert indexed.version == str(table.current_snapshot().snapshot_id)


def test_columns_that_were_renamed_widened_or_added_come_out_as_the_table_says(
    tmp_path: Path,
) -> None:
    table = iceberg(tmp_path, rows(["a", "b"], number=pa.array([7, 8], pa.int32())))
    with table.update_schema() as change:
        change.rename_column("sample_id", "key")
        change.rename_column("pixels", "sample_id")
        change.update_column("number", LongType())
        change.add_column("note", StringType())
    later = {"key": ["c"], "number": pa.array([2**40], pa.int64()), "note": ["fine"]}
    table.append(pa.table({**later, "sample_id": pa.array([[5, 6]], pa.list_(pa.int32()))}))

    numbers = Indexed("iceberg", folder_of(table), id_column="number", inputs=[]).ids

    assert sorted(numbers) == ["1099511627776", "7", "8"]
    assert sorted(Indexed("iceberg", folder_of(table), id_column="key", inputs=[]).ids) == [*"abc"]
    with pytest.raises(DatasetError, match="does not hold a text in note"):
        Indexed("iceberg", folder_of(table), id_column="key", inputs=[TextSpec("note")])


def test_arrays_of_a_widened_type_hold_the_numbers_of_all_files(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(["a", "b"]))
    with table.update_schema() as change:
        change.update_column(("pixels", "element"), LongType())
    large = pa.array([[2**20, 5]], pa.list_(pa.int64()))
    table.append(pa.table({"sample_id": ["c"], "pixels": large}))

    read = Indexed("iceberg", folder_of(table)).arrays(tmp_path)

    assert read == {"a": [0, 1], "b": [1, 2], "c": [2**20, 5]}


def with_deletes(table: Any, made: Callable[[str, Path], dict[str, Any]]) -> None:
    """Commit a file with deletes of the table's only data file: pyiceberg writes none by itself."""
    (task,) = table.scan().plan_files()
    place = Path(folder_of(table).removeprefix("file://")) / "data" / "deletes"
    given = made(task.file.file_path, place)
    deletes = DataFile.from_args(
        file_path=place.as_uri(),
        partition=task.file.partition,
        file_size_in_bytes=place.stat().st_size,
        **given,
    )
    deletes.spec_id = task.file.spec_id
    with table.transaction() as changes, changes.update_snapshot().fast_append() as append:
        make = append.new_manifest_writer

        def writer(spec: Any) -> Any:
            manifest = make(spec)
            manifest.content = lambda: ManifestContent.DELETES
            return manifest

        append.new_manifest_writer = writer
        append.append_data_file(deletes)


def positional(path: str, place: Path) -> dict[str, Any]:
    pq.write_table(pa.table({"file_path": [path, path, "other"], "pos": [0, 5, 3]}), place)
    return {
        "content": DataFileContent.POSITION_DELETES,
        "file_format": FileFormat.PARQUET,
        "record_count": 3,
    }


def vector(path: str, place: Path) -> dict[str, Any]:
    """A deletion vector of the positions 0 and 5 in a Puffin file, by Iceberg's specification."""
    bits = struct.pack("<QI", 1, 0) + BitMap([0, 5]).serialize()
    checked = bytes.fromhex("d1d33964") + bits
    blob = struct.pack(">I", len(checked)) + checked + struct.pack(">I", zlib.crc32(checked))
    described = {
        "type": "deletion-vector-v1",
        "fields": [2147483546],
        "snapshot-id": -1,
        "sequence-number": -1,
        "offset": 4,
        "length": len(blob),
        "properties": {"referenced-data-file": path, "cardinality": "2"},
    }
    footer = json.dumps({"blobs": [described]}).encode()
    magic = b"PFA1"
    ending = struct.pack("<ii", len(footer), 0)
    place.write_bytes(magic + blob + magic + footer + ending + magic)
    return {
        "content": DataFileContent.POSITION_DELETES,
        "file_format": FileFormat.PUFFIN,
        "record_count": 2,
        "referenced_data_file": path,
        "content_offset": 4,
        "content_size_in_bytes": len(blob),
    }


@pytest.mark.parametrize("made", [positional, vector])
def test_rows_that_a_file_of_deletes_names_are_in_no_index(
    tmp_path: Path, made: Callable[[str, Path], dict[str, Any]]
) -> None:
    table = iceberg(tmp_path, rows(IDS))
    with_deletes(table, made)

    indexed = Indexed("iceberg", folder_of(table))

    assert indexed.ids == [one for one in IDS if one not in ("s-0", "s-5")]
    assert indexed.arrays(tmp_path)["s-6"] == [6, 7]


def test_equality_deletes_are_refused_by_name(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(IDS))

    def equal(_path: str, place: Path) -> dict[str, Any]:
        pq.write_table(pa.table({"sample_id": ["s-0"]}), place)
        return {
            "content": DataFileContent.EQUALITY_DELETES,
            "file_format": FileFormat.PARQUET,
            "record_count": 1,
            "equality_ids": [1],
        }

    with_deletes(table, equal)

    with pytest.raises(DatasetError, match="has equality deletes, which are not read"):
        Indexed("iceberg", folder_of(table))


def test_partitions_that_no_file_holds_come_from_the_metadata(tmp_path: Path) -> None:
    """As tables that were made of Hive's have them: by names, without numbers in their files."""
    folder = tmp_path / "hive" / "sample_id=a"
    folder.mkdir(parents=True)
    written = rows(["a"])
    table = catalog(tmp_path).create_table("lake.pets", schema=written.schema)
    with table.update_spec() as spec:
        spec.add_identity("sample_id")
    pq.write_table(written.drop_columns("sample_id"), folder / "a.parquet")
    names = table.schema().name_mapping.model_dump_json()
    added = DataFile.from_args(
        content=DataFileContent.DATA,
        file_format=FileFormat.PARQUET,
        file_path=f"file://{folder}/a.parquet",
        partition=Record("a"),
        record_count=1,
        file_size_in_bytes=(folder / "a.parquet").stat().st_size,
    )
    added.spec_id = table.spec().spec_id
    with table.transaction() as changes:
        changes.set_properties({"schema.name-mapping.default": names})
        with changes.update_snapshot().fast_append() as append:
            append.append_data_file(added)

    assert Indexed("iceberg", folder_of(table)).arrays(tmp_path) == {"a": [0, 1]}


def test_a_snapshot_is_read_again_after_the_table_has_moved_on(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(["a", "b", "c"]))
    first = Indexed("iceberg", folder_of(table))
    table.delete("sample_id == 'b'")
    table.append(rows(["d"]))

    assert sorted(Indexed("iceberg", folder_of(table)).ids) == ["a", "c", "d"]
    assert Indexed("iceberg", folder_of(table), first.version).ids == ["a", "b", "c"]
    assert Indexed("iceberg", table.metadata_location).version != first.version
    assert first.arrays(tmp_path) == {"a": [0, 1], "b": [1, 2], "c": [2, 3]}


def test_a_table_that_has_removed_what_was_indexed_is_to_be_indexed_again(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(["a", "b"]))
    indexed = Indexed("iceberg", folder_of(table))
    table.delete("sample_id == 'b'")
    Path(indexed.files[0].uri.removeprefix("file://")).unlink()

    with pytest.raises(DatasetError, match=r"is gone: .* Index it again"):
        indexed.arrays(tmp_path)


def test_metadata_of_which_only_a_catalog_knows_are_to_be_named(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(["a"]))
    newest = Path(table.metadata_location.removeprefix("file://"))
    number, _, rest = newest.name.partition("-")
    shutil.copy(newest, newest.with_name(f"{number}-x{rest}"))

    with pytest.raises(DatasetError, match="has 2 metadata files with the number 1"):
        Indexed("iceberg", folder_of(table))
    assert Indexed("iceberg", newest.as_uri()).ids == ["a"]
    shutil.copy(newest, newest.with_name("v7.metadata.json"))
    newest.with_name("version-hint.text").write_text("7")
    assert Indexed("iceberg", folder_of(table)).ids == ["a"]


@pytest.mark.parametrize(
    ("path", "version", "sentence"),
    [
        ("lake/pets", "7", "has no snapshot 7, or none any more"),
        ("plain", None, "is no Iceberg table: there is no metadata"),
        ("lake/empty", None, "has no snapshot: nothing was written to it"),
    ],
)
def test_what_is_no_such_table_or_snapshot_is_refused(
    tmp_path: Path, path: str, version: str | None, sentence: str
) -> None:
    made = catalog(tmp_path)
    made.create_table("lake.pets", schema=rows(["a"]).schema).append(rows(["a"]))
    made.create_table("lake.empty", schema=rows(["a"]).schema)
    (tmp_path / "plain").mkdir()

    with pytest.raises(DatasetError, match=sentence):
        Indexed("iceberg", (tmp_path / path).as_uri(), version)


def test_metadata_name_no_file_out_of_what_may_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = iceberg(tmp_path, rows(["a"]))
    shutil.copytree(tmp_path / "lake", tmp_path / "inside" / "lake")
    only = Sources((of_path(tmp_path / "inside"),))
    monkeypatch.setattr(opening, "allowed", lambda: only)

    with pytest.raises(DatasetError, match="is not opened: It lies below no prefix"):
        Indexed("iceberg", (tmp_path / "inside" / "lake" / "pets").as_uri())
    assert table.scan().to_arrow().num_rows == 1


def test_damaged_metadata_are_told_without_their_words(tmp_path: Path) -> None:
    table = iceberg(tmp_path, rows(["a"]))
    Path(table.metadata_location.removeprefix("file://")).write_text('{"secret": 1}')

    with pytest.raises(DatasetError, match=r"metadata\.json cannot be read: this") as caught:
        Indexed("iceberg", folder_of(table))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/data/pets", "file:///data/pets"),
        ("file:/data/pets", "file:///data/pets"),
        ("file:///data/pets", "file:///data/pets"),
        ("s3a://bucket/pets", "s3://bucket/pets"),
        ("gs://bucket/pets", "gs://bucket/pets"),
    ],
)
def test_locations_as_writers_spell_them_are_urls(location: str, url: str) -> None:
    assert url_of(location) == url
