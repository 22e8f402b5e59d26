"""Promise: with a key alone nothing comes out of a machine but what lies below a named folder."""

import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState, Model, ModelState
from tests import factories
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.data.parquet import list_files, open_parquet
from workers.data.places import opening
from workers.runner.fetching import fetch_model

MARK = "MARKER-4711"
Task = Callable[[dict[str, Any]], None]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One folder is named; beside it lies what must not come out, as in the environment."""
    confined = settings.model_copy(update={"sources": [f"file://{tmp_path}/data"]})
    monkeypatch.setattr(opening, "allowed", lambda: confined.allowed_sources)
    monkeypatch.setenv("UNLEARND_SOURCES", f"file://{tmp_path}/data")
    monkeypatch.setenv("UNLEARND_HOME", str(confined.home_dir))
    monkeypatch.setenv("SOME_PASSWORD", MARK)
    plant(tmp_path / "data", tmp_path / "outside")
    confined.home_dir.mkdir()
    confined.admin_key_file.write_text(MARK)
    return confined


def plant(data: Path, outside: Path) -> None:
    data.mkdir()
    (outside / "model").mkdir(parents=True)
    rows: Any = pa.table({"sample_id": [MARK], "pixels": [[0] * 64]})
    pq.write_table(rows, outside / "a.parquet")
    for name in ("model.safetensors", "config.json", "README.md", "LICENSE"):
        (outside / "model" / name).write_text(json.dumps({"architectures": [MARK]}))
    with zipfile.ZipFile(outside / "a.zip", "w") as packed:
        packed.write(outside / "a.parquet", "a.parquet")
    with tarfile.open(outside / "a.tar", "w") as packed_too:
        packed_too.add(outside / "a.parquet", "a.parquet")
    refs = {"version": 1, "refs": {"a.parquet": [f"file://{outside}/a.parquet"]}}
    (data / "map.json").write_text(json.dumps(refs))


def urls(data: Path, outside: Path) -> list[str]:
    """Every way that we know to name what lies outside."""
    near = f"{data}/../outside"
    files = [f"{outside}/a.parquet", f"{near}/a.parquet", "/proc/self/environ", "/etc/passwd"]
    files += [f"{outside}/model", f"{outside}/*.parquet", f"{data.parent}/**/*.parquet", "/", "/*"]
    plain = [spelt for path in files for spelt in (path, f"file://{path}", f"local://{path}")]
    encoded = [f"file://{data}/%2e%2e/outside/a.parquet", f"file://{data}/..%2foutside/a.parquet"]
    spelt = [f"file:{outside}/a.parquet", f"FILE://{outside}/a.parquet", "~/.ssh/id_rsa"]
    spelt += [f"file://localhost{outside}/a.parquet", f"file://{data}\\..\\outside/a.parquet"]
    spelt += [os.path.relpath(outside / "a.parquet"), f"file://{data}/\x01/../a", "file://~/a"]
    inner = f"file://{outside}/a.parquet"
    chained = [f"{name}::{inner}" for name in ("simplecache", "filecache", "blockcache", "dir")]
    chained += [
        f"zip://a.parquet::file://{outside}/a.zip",
        f"tar://a.parquet::file://{outside}/a.tar",
    ]
    chained += [f"libarchive://a.parquet::file://{outside}/a.zip"]
    chained += [f"reference://a.parquet::file://{data}/map.json", f"file://{data}/x::{inner}"]
    fetched = ["data:text/plain,x", "memory://a", "github://a:b@c/d", "http://127.0.0.1:1/a"]
    fetched += ["http://169.254.169.254/latest", "https://host/a", "ftp://host/a", "s3://bucket/a"]
    fetched += [f"reference://{data}/map.json", f"dir://{outside}", f"generic://{inner}"]
    return plain + encoded + spelt + chained + fetched


def links(data: Path, outside: Path) -> list[str]:
    """What lies below the named folder by its name, and outside by what is behind it."""
    made = {
        "linked.parquet": outside / "a.parquet",
        "environ.parquet": Path("/proc/self/environ"),
        "key.parquet": Path("../home/admin.key"),
        "folder": outside,
        "model": outside / "model",
    }
    for name, target in made.items():
        (data / name).symlink_to(target)
    for name in ("config.json", "LICENSE", "model.safetensors"):
        (data / f"with-{name}").mkdir()
        (data / f"with-{name}" / "model.safetensors").write_bytes(b"weights")
        (data / f"with-{name}" / name).unlink(missing_ok=True)
        (data / f"with-{name}" / name).symlink_to(outside / "model" / name)
    (data / "hard.parquet").hardlink_to(outside / "a.parquet")
    names = [*made, "hard.parquet", "folder/*.parquet", "*/*.parquet", "**/*.parquet", "**"]
    names += [f"with-{name}" for name in ("config.json", "LICENSE", "model.safetensors")]
    return [f"file://{data}/{name}" for name in names]


def dataset(uri: str, **more: Any) -> dict[str, Any]:
    inputs = [factories.PIXELS]
    return {"name": "x", "uri": uri, "id_column": "sample_id", "inputs": inputs, **more}


def model(source_uri: str, **more: Any) -> dict[str, Any]:
    architecture = {"kind": "transformers"}
    given = {"name": "y", "dataset": "digits", "source_uri": source_uri, **more}
    return {**given, "architecture": architecture}


def test_no_field_of_the_api_takes_a_url_of_what_lies_outside(
    client: TestClient, session: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    factories.dataset(session)
    inside = f"file://{tmp_path}/data/a"

    for uri in urls(tmp_path / "data", tmp_path / "outside"):
        for path, body in (
            ("/v1/datasets", dataset(uri)),
            ("/v1/datasets", dataset(inside, holdout_uri=uri)),
            ("/v1/models", model(uri)),
            ("/v1/models", model(inside, base_uri=uri)),
        ):
            answer = client.post(path, json=body)

            assert answer.status_code == 422, (uri, answer.text)
            assert answer.json()["type"] == "/problems/source-not-allowed", uri
            assert "UNLEARND_SOURCES" in answer.json()["detail"]
            assert "outside" not in answer.text
            assert MARK not in answer.text
    assert client.get("/v1/datasets").json()["items"][1:] == []
    assert client.get("/v1/models").json()["items"] == []
    assert MARK not in "".join(capfd.readouterr())


def test_no_reader_of_a_worker_opens_what_lies_outside(settings: Settings, tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    assert settings.sources == [f"file://{data}"]
    refused = urls(data, outside)

    for uri in [*refused, *links(data, outside)]:
        target = tmp_path / "target"
        target.mkdir()
        with pytest.raises(ArtifactError) as of_model:
            fetch_model(uri, target)
        with pytest.raises(DatasetError) as of_file, open_parquet(uri):
            pass
        told = [str(of_model.value), str(of_file.value)]
        if not uri.startswith(f"file://{data}/with-"):
            with pytest.raises(DatasetError) as of_list:
                list_files(uri)
            told.append(str(of_list.value))
        assert MARK not in "".join(told)
        copied = "".join(path.read_text() for path in target.iterdir())
        assert MARK not in copied, uri
        for path in target.iterdir():
            path.unlink()
        target.rmdir()
    assert all(not uri.startswith(f"file://{data}/with-") for uri in refused)


def test_rows_that_are_older_than_the_rule_come_to_nothing(
    client: TestClient,
    session: Session,
    index_dataset: Task,
    validate_model: Task,
    settings: Settings,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In processes of their own, as a service has them."""
    data, outside = tmp_path / "data", tmp_path / "outside"
    links(data, outside)
    ready = factories.dataset(session)
    old = {"id_column": "sample_id", "inputs": [factories.PIXELS], "state": DatasetState.INDEXING}
    sets = [
        Dataset(name="direct", uri=f"simplecache::file://{outside}/a.parquet", **old),
        Dataset(name="linked", uri=f"file://{data}/linked.parquet", **old),
    ]
    registered = Model(
        name="linked",
        dataset_id=ready.id,
        source_uri=f"file://{data}/with-LICENSE",
        architecture={"kind": "transformers"},
        representation={"module": "auto"},
        method="auto",
        method_parameters={},
        policy={},
        registered_tv=0,
        state=ModelState.VALIDATING,
    )
    session.add_all([*sets, registered])
    session.commit()

    for one in sets:
        index_dataset({"dataset_id": one.id})
    validate_model({"model_id": registered.id})

    for path in ("/v1/datasets/direct", "/v1/datasets/linked", "/v1/models/linked"):
        shown = client.get(path)
        assert shown.json()["state"] == "invalid", shown.text
        assert "is not opened" in shown.json()["reason"], shown.text
        assert MARK not in shown.text
    kept = [settings.storage_dir, settings.scratch_dir]
    files = [path for folder in kept for path in folder.rglob("*") if path.is_file()]
    assert all(MARK.encode() not in path.read_bytes() for path in files)
    assert MARK not in "".join(capfd.readouterr())
