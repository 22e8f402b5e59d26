"""Files of a table with a log are refused as plain Parquet, from wherever they are named."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.workers.data.bucket import empty_bucket
from tests.workers.data.tables.written import delta, iceberg, rows
from workers.data.errors import DatasetError
from workers.data.parquet import list_files

LANCE = Path(__file__).parents[3] / "data" / "lance" / "pets.lance"
PARTS = {"part": [0, 1, 1]}


@pytest.mark.parametrize("path", ["", "*", "part=1", "part=*/*.parquet", "*=1/*"])
def test_files_of_a_delta_table_are_refused_from_anywhere(tmp_path: Path, path: str) -> None:
    delta(tmp_path / "pets", rows(["a", "b", "c"], **PARTS), partition_by=["part"])

    with pytest.raises(DatasetError, match=r'pets is a Delta table.*"format": "delta"'):
        list_files(f"{tmp_path.as_uri()}/pets/{path}")


def test_one_file_of_a_delta_table_is_refused(tmp_path: Path) -> None:
    table = delta(tmp_path / "pets", rows(["a"]))

    with pytest.raises(DatasetError, match="is a Delta table"):
        list_files(Path(table.file_uris()[0]).as_uri())


def test_a_folder_of_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    pq.write_table(rows(["z"]), tmp_path / "plain" / "a.parquet")
    delta(tmp_path / "pets", rows(["a"]))

    with pytest.raises(DatasetError, match="pets is a Delta table"):
        list_files(f"{tmp_path.as_uri()}/*/*.parquet")


@pytest.mark.parametrize("path", ["", "data", "data/*.parquet", "**/*.parquet"])
def test_files_of_an_iceberg_table_are_refused_from_anywhere(tmp_path: Path, path: str) -> None:
    iceberg(tmp_path, rows(["a", "b", "c"]))

    with pytest.raises(DatasetError, match=r'pets is an Iceberg table.*"format": "iceberg"'):
        list_files(f"{tmp_path.as_uri()}/lake/pets/{path}")


@pytest.mark.parametrize("path", ["", "data/*.lance", "_versions"])
def test_a_lance_table_is_refused_by_name(tmp_path: Path, path: str) -> None:
    shutil.copytree(LANCE, tmp_path / "pets.lance")

    with pytest.raises(DatasetError, match="is a Lance table, which is not read: export"):
        list_files(f"{tmp_path.as_uri()}/pets.lance/{path}")


def test_a_lance_table_is_known_under_any_name(tmp_path: Path) -> None:
    shutil.copytree(LANCE, tmp_path / "pets")

    with pytest.raises(DatasetError, match="is a Lance table"):
        list_files((tmp_path / "pets").as_uri())


@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        (".hoodie/hoodie.properties", "a Hudi table"),
        ("snapshot/LATEST schema/schema-0 manifest/manifest-0", "a Paimon table"),
        ("ducklake-0198-delete.parquet", "a DuckLake table"),
    ],
)
def test_tables_that_are_not_read_are_refused_by_name(
    tmp_path: Path, beside: str, kind: str
) -> None:
    pq.write_table(rows(["a"]), tmp_path / "a.parquet")
    for name in beside.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    with pytest.raises(DatasetError, match=f"is {kind}, which is not read: export a snapshot"):
        list_files(tmp_path.as_uri())


def test_a_folder_called_metadata_alone_makes_no_table(tmp_path: Path) -> None:
    pq.write_table(rows(["a"]), tmp_path / "a.parquet")
    for name in ("metadata/notes.json", "manifest/list.txt", "_versions/v1.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    assert list_files(tmp_path.as_uri()) == [(tmp_path / "a.parquet").as_uri()]


def test_what_spark_keeps_beside_its_files_is_passed_over(tmp_path: Path) -> None:
    kept = ["_part=1/b.parquet", "a.parquet"]
    beside = [
        "_SUCCESS",
        ".a.parquet.crc",
        "_temporary/0/a.parquet",
        ".tmp/a.parquet",
        "_a.parquet",
    ]
    for name in (*kept, *beside):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def names(uri: str) -> list[str]:
        return [uri.removeprefix(f"{tmp_path.as_uri()}/") for uri in list_files(uri)]

    assert names(f"{tmp_path.as_uri()}/**/*.parquet") == kept
    assert names(f"{tmp_path.as_uri()}/a*") == names(tmp_path.as_uri()) == ["a.parquet"]
    assert names(f"{tmp_path.as_uri()}/_a*") == ["_a.parquet"]


def test_a_folder_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = empty_bucket(monkeypatch)
    for number in range(30):
        filesystem.pipe(f"/bucket/train/part={number % 3}/{number}.parquet", b"")
    asked: list[str] = []
    for method in ("ls", "info"):
        real: Any = getattr(filesystem, method)

        def count(path: str, *args: Any, real: Any = real, **options: Any) -> Any:
            asked.append(path)
            return real(path, *args, **options)

        monkeypatch.setattr(type(filesystem), method, staticmethod(count))

    list_files("s3://bucket/train/*/*.parquet")
    folders = [path for path in asked if path.rpartition("/")[2].startswith("part=")]

    assert len(folders) <= 6
