"""What is published survives a power cut."""

from pathlib import Path

import pytest

from service.core import storage
from service.core.storage import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "storage")


def finished(store: LocalStore, name: str) -> Path:
    staging = store.staging(name)
    (staging / storage.MANIFEST).write_text(name, encoding="utf-8")
    return staging


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """The directories that were flushed, in order, with what was in them by then."""
    seen: list[tuple[Path, list[str]]] = []
    really = storage.flush_directory

    def flush(path: Path) -> None:
        seen.append((path, sorted(entry.name for entry in path.iterdir())))
        really(path)

    monkeypatch.setattr(storage, "flush_directory", flush)
    return seen


def test_every_new_directory_on_the_way_to_a_version_is_flushed(
    store: LocalStore, flushed: list[tuple[Path, list[str]]]
) -> None:
    store.publish(finished(store, "one"), "cnn", "d1")

    models = store.root / "models"
    assert {(store.root, ".staging models"), (models, "cnn"), (models / "cnn", "d1")} <= {
        (path, " ".join(entries)) for path, entries in flushed
    }

    flushed.clear()
    store.publish(finished(store, "two"), "cnn", "d2")
    assert flushed == [(models / "cnn", ["d1", "d2"])]
