"""What is opened of this machine: regular files, where they really lie below a named folder."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from service.core.sources import SourceError, Sources, of_path
from tests.workers.data.ground import names, read, table, url
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.data.parquet import list_files, open_parquet
from workers.data.places import opening, regular
from workers.data.places.local import Ground
from workers.runner.fetching import fetch_model

HUB = "datasets--mia--pets"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # A socket's path may have 107 characters.
        made.bind(path.name)
        os.chdir(here)


def link(path: Path) -> None:
    path.symlink_to(path.parents[2] / "outside" / "secret.parquet")


def hard_link(path: Path) -> None:
    path.hardlink_to(path.parents[2] / "outside" / "secret.parquet")


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_the_environment(path: Path) -> None:
    path.symlink_to("/proc/self/environ")


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


BAD = [
    (pipe, "no regular file"),
    (listening, "no regular file"),
    (link, "link in its path leads below no prefix"),
    (hard_link, "hard link"),
    (to_a_device, "system"),
    (to_the_environment, "system"),
    (to_itself, "circle"),
]


@pytest.mark.parametrize(("make", "told"), BAD)
def test_a_file_of_a_dataset_that_is_none_of_its_own_is_refused(
    named: Path, make: Callable[[Path], None], told: str
) -> None:
    make(named / "train" / "b.parquet")

    for path in ("train", "train/*.parquet", "**/*.parquet", "train/b.parquet"):
        with pytest.raises(DatasetError, match=told):
            list_files(url(named / path))
    with pytest.raises(DatasetError, match=told), open_parquet(url(named / "train/b.parquet")):
        pass
    assert read(url(named / "train/a.parquet")) == ["a.parquet"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "1_Pooling/config.json"])
@pytest.mark.parametrize(("make", "told"), BAD)
def test_a_file_of_a_model_that_is_none_of_its_own_is_refused(
    named: Path, tmp_path: Path, name: str, make: Callable[[Path], None], told: str
) -> None:
    path = named / "model" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if make == link:
        path.symlink_to(tmp_path / "outside" / "config.json")
    elif make == hard_link:
        path.hardlink_to(tmp_path / "outside" / "config.json")
    else:
        make(path)
    told = "leads out of it" if make in (link, to_a_device, to_the_environment) else told
    (tmp_path / "target").mkdir()

    with pytest.raises(ArtifactError, match=told):
        fetch_model(url(named / "model"), tmp_path / "target")
    assert not (tmp_path / "target" / name).exists()


def test_a_link_that_stays_in_the_directory_is_followed(named: Path, tmp_path: Path) -> None:
    (named / "train" / "newest.parquet").symlink_to("a.parquet")
    (named / "model" / "config.json").symlink_to("settings.json")
    (named / "model" / "settings.json").write_text("{}")
    (named / "model" / "round").symlink_to(".")
    (tmp_path / "target").mkdir()

    assert read(url(named / "train/newest.parquet")) == ["a.parquet"]
    fetch_model(url(named / "model"), tmp_path / "target")
    assert (tmp_path / "target" / "config.json").read_text() == "{}"


def test_a_folder_of_a_model_that_leads_out_is_refused(named: Path, tmp_path: Path) -> None:
    (named / "model" / "1_Pooling").symlink_to(tmp_path / "outside")
    (tmp_path / "target").mkdir()

    with pytest.raises(ArtifactError, match="1_Pooling in it is a link that leads out of it"):
        fetch_model(url(named / "model"), tmp_path / "target")


def test_a_named_folder_may_be_a_link_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path / "mnt" / "big" / "train" / "a.parquet")
    (tmp_path / "data").symlink_to("mnt/big")
    (tmp_path / "mnt" / "big" / "newest").symlink_to("train")
    monkeypatch.setattr(opening, "allowed", lambda: Sources((of_path(tmp_path / "data"),)))

    assert read(url(tmp_path / "data/train/*.parquet")) == ["a.parquet"]
    assert read(url(tmp_path / "data/newest")) == ["a.parquet"]
    with pytest.raises(DatasetError, match="no prefix"):
        list_files(url(tmp_path / "mnt/big/train"))


def test_a_folder_in_the_path_may_not_lead_out(named: Path, tmp_path: Path) -> None:
    (named / "elsewhere").symlink_to(tmp_path / "outside")
    (named / "hidden").symlink_to(".keys")
    table(named / ".keys" / "a.parquet")
    (named / "service").symlink_to("own")
    table(named / "own" / "a.parquet")

    for folder in ("elsewhere", "hidden", "service"):
        with pytest.raises(DatasetError, match="is not opened"):
            list_files(url(named / folder))
        with pytest.raises(ArtifactError, match="is not opened"):
            fetch_model(url(named / folder), tmp_path)
        file = url(named / folder / "a.parquet")
        with pytest.raises(DatasetError, match="is not opened"), open_parquet(file):
            pass


def cached(folder: Path, name: str, content: Path | None = None) -> Path:
    """A file of a snapshot, as `huggingface_hub` links it to its blob."""
    blob = folder / "blobs" / f"hash-of-{name}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    table(blob) if content is None else blob.symlink_to(content)
    path = folder / "snapshots" / "0a1b2c" / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"../../../blobs/{blob.name}")
    return path


def test_the_hubs_cache_is_read_as_it_is(named: Path, tmp_path: Path) -> None:
    snapshot = cached(named / HUB, "train-0.parquet").parent
    weights = cached(named / "models--mia--net", "model.safetensors").parent
    (tmp_path / "target").mkdir()

    assert names(url(snapshot)) == ["train-0.parquet"]
    assert names(url(named / HUB / "snapshots" / "*" / "data" / "*.parquet")) == ["train-0.parquet"]
    assert read(url(snapshot)) == ["hash-of-train-0.parquet"]
    fetch_model(url(weights), tmp_path / "target")
    assert (tmp_path / "target" / "model.safetensors").is_file()


def test_what_only_looks_like_the_hubs_cache_is_refused(named: Path, tmp_path: Path) -> None:
    snapshot = cached(named / HUB, "train-0.parquet").parent
    other = cached(named / "datasets--eve--pets", "train-1.parquet")
    outward = cached(named / "models--eve--a", "b.parquet", tmp_path / "outside/secret.parquet")
    plain = cached(named / "pets", "train-2.parquet")
    (snapshot / "train-1.parquet").symlink_to(other.resolve())

    with pytest.raises(DatasetError, match=r"train-1\.parquet in it is a link that leads out"):
        list_files(url(snapshot))
    with pytest.raises(DatasetError, match="leads below no prefix"):
        list_files(url(outward.parent))
    with pytest.raises(DatasetError, match="leads out"):
        list_files(url(plain.parent))


def test_a_file_that_is_exchanged_at_the_last_moment_is_not_opened(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = named / "train" / "a.parquet"
    look = os.stat

    def exchange(name: Any, *args: Any, **options: Any) -> os.stat_result:
        found = look(name, *args, **options)
        if name == path.name and "dir_fd" in options:
            path.unlink()
            pipe(path)
        return found

    monkeypatch.setattr(os, "stat", exchange)
    opened: list[BaseException] = []

    def work() -> None:
        try:
            regular.open_regular(path, path.name).close()
        except SourceError as error:
            opened.append(error)

    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(5)
    assert not worker.is_alive()
    assert "no regular file" in str(opened[0])


def test_a_folder_that_becomes_a_link_at_the_last_moment_is_not_entered(
    named: Path, tmp_path: Path
) -> None:
    ground = Ground(Sources((of_path(named),)))
    real = ground.real(named / "train" / "a.parquet")
    (named / "train").rename(named / "moved")
    (named / "train").symlink_to(tmp_path / "outside")
    table(tmp_path / "outside" / "a.parquet")

    with pytest.raises(NotADirectoryError):
        regular.open_regular(real, "a.parquet")


def test_a_slash_in_the_value_of_a_partition_is_read_as_writers_name_its_folder(
    named: Path,
) -> None:
    """What is listed is opened by that very name; nobody may write such a URL."""
    folder = named / "train" / "kind=a%2Fb%2E%2E"
    folder.mkdir()
    table(folder / "b.parquet")

    (found,) = [uri for uri in list_files(url(named / "train/**/*.parquet")) if "kind=" in uri]

    assert found == f"{url(named)}/train/kind=a%2Fb%2E%2E/b.parquet"
    with open_parquet(found) as file:
        assert file.metadata.num_rows
    with pytest.raises(DatasetError, match="encoded dot, separator"):
        list_files(found)


def test_an_encoded_step_upwards_leads_nowhere(named: Path) -> None:
    for step in ("%2e%2e", "%2e%2e%2foutside", "..%2foutside"):
        uri = f"{url(named)}/train/{step}/secret.parquet"
        with pytest.raises(DatasetError, match=r"No such file|hidden"), open_parquet(uri):
            pytest.fail("it was opened")
        with pytest.raises(DatasetError, match="encoded dot, separator"):
            list_files(uri)
