"""A storage that is away for a while refuses nothing; what somebody has to mend does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.workers.data.bucket import empty_bucket
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.locations import trouble
from workers.data.parquet import list_files, open_parquet
from workers.data.specs import ArraySpec
from workers.runner.fetching import fetch_model

PIXELS = ArraySpec("pixels", (2,), None)
FOLDER = "s3://bucket/train"
Work = Callable[[Path], Any]


def open_one(_target: Path) -> None:
    with open_parquet(f"{FOLDER}/a.parquet"):
        pass


WORK: dict[str, Work] = {
    "list a folder": lambda _target: list_files(FOLDER),
    "list a file": lambda _target: list_files(f"{FOLDER}/a.parquet"),
    "list a glob": lambda _target: list_files(f"{FOLDER}/*.parquet"),
    "open a file": open_one,
    "read the IDs": lambda _target: list(
        read_ids(FOLDER, "sample_id", [PIXELS], 255, lambda _file: None)
    ),
    "read the held-out files": lambda _target: read_holdout(FOLDER, [PIXELS]),
    "fetch a model": lambda target: fetch_model(FOLDER, target),
}
PASSING = [
    TimeoutError(110, "Connection timed out"),
    ConnectionResetError(104, "Connection reset by peer"),
    OSError(5, "Input/output error"),
    TimeoutError(),
]


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = empty_bucket(monkeypatch)
    pixels = pa.array([[1, 2]] * 2, pa.list_(pa.uint8()))
    with filesystem.open("/bucket/train/a.parquet", "wb") as file:
        pq.write_table(pa.table({"sample_id": ["u", "v"], "pixels": pixels}), file)
    filesystem.pipe("/bucket/train/model.safetensors", b"weights")


def break_storage(monkeypatch: pytest.MonkeyPatch, error: Exception, *methods: str) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    for method in methods:
        monkeypatch.setattr(MemoryFileSystem, method, fail)


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_storage_that_answers_is_read(work: Work, tmp_path: Path) -> None:
    work(tmp_path)


@pytest.mark.parametrize("error", PASSING, ids=repr)
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_storage_that_does_not_answer_is_no_refusal(
    work: Work, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_storage(monkeypatch, error, "info", "_open")

    with pytest.raises(type(error)) as told:
        work(tmp_path)

    assert told.value is error


@pytest.mark.parametrize("error", PASSING, ids=repr)
@pytest.mark.parametrize("name", ["open a file", "read the IDs", "fetch a model"])
def test_a_storage_that_goes_away_between_two_answers_is_no_refusal(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_storage(monkeypatch, error, "_open")

    with pytest.raises(type(error)):
        WORK[name](tmp_path)


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_missing_permission_is_told_to_the_operator(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_storage(monkeypatch, PermissionError(13, "Permission denied"), "info", "_open")

    with pytest.raises((DatasetError, ArtifactError), match="an operator must grant it"):
        work(tmp_path)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone"), IsADirectoryError(21, "folder")])
@pytest.mark.parametrize("name", ["open a file", "read the IDs", "fetch a model"])
def test_a_file_that_is_gone_or_none_is_refused(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_storage(monkeypatch, error, "_open")

    with pytest.raises((DatasetError, ArtifactError)):
        WORK[name](tmp_path)


@pytest.mark.parametrize("uri", ["nosuchscheme://bucket/data", "s3://bucket/nothing"])
def test_a_url_that_leads_nowhere_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=uri):
        list_files(uri)
    with pytest.raises(DatasetError, match=uri), open_parquet(uri):
        pass
    with pytest.raises(ArtifactError, match=uri):
        fetch_model(uri, tmp_path)


def test_trouble_is_told_without_the_name_of_a_file() -> None:
    assert trouble(OSError(5, "Input/output error", "/data/sid-SECRET.png")) == (
        "A file could not be read or written: Input/output error."
    )
    assert trouble(TimeoutError()) == "A file could not be read or written: TimeoutError."
