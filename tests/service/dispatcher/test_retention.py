"""Which versions are destroyed, and what one that cannot be destroyed holds up."""

from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.storage import MANIFEST, LocalStore, StorageError
from service.core.tables import Dataset, Event, Model, ModelVersion, VersionState
from service.dispatcher.retention import AT_ONCE, PAUSE, destroy_old_versions
from tests import factories


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def written(store: LocalStore, of: Model, version: ModelVersion) -> Path:
    folder = store.directory(of.name, version.digest)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")
    return folder


def with_old_versions(
    session: Session, of: Dataset, name: str, count: int
) -> tuple[Model, list[ModelVersion]]:
    """A model whose versions but the head are past their retention, oldest first."""
    model = factories.model(session, of, name, retention_days=0)
    for _ in range(count):
        factories.publish(session, model, tv=0)
    superseded = ModelVersion.state == VersionState.SUPERSEDED
    session.execute(update(ModelVersion).where(superseded).values(superseded_at=clock_now))
    session.commit()
    query = select(ModelVersion).where(ModelVersion.model_id == model.id, superseded)
    return model, list(session.scalars(query.order_by(ModelVersion.id)))


def make_irremovable(folder: Path) -> None:
    """So that even a superuser's attempt to remove it is an error of the operating system."""
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()


def states(session: Session, versions: list[ModelVersion]) -> list[str]:
    session.rollback()
    for version in versions:
        session.refresh(version)
    return [str(version.state) for version in versions]


def test_what_the_operating_system_refuses_is_an_error_of_the_storage(
    session: Session, digits: Dataset, store: LocalStore
) -> None:
    model, (old,) = with_old_versions(session, digits, "cnn", 1)
    make_irremovable(written(store, model, old))

    with pytest.raises(StorageError, match="cannot be removed: Is a directory"):
        store.destroy(model.name, old.digest)


def test_a_version_that_cannot_be_destroyed_takes_back_nothing_of_the_others(
    database: Database, session: Session, digits: Dataset, store: LocalStore
) -> None:
    """Promise: what was destroyed is told in the history."""
    model, versions = with_old_versions(session, digits, "cnn", 3)
    folders = [written(store, model, version) for version in versions]
    make_irremovable(folders[1])

    destroy_old_versions(database, store)

    assert states(session, versions) == ["destroyed", "superseded", "destroyed"]
    assert [folder.exists() for folder in folders] == [False, True, False]
    told = session.scalars(select(Event.data).where(Event.kind == "version.destroyed")).all()
    assert [event["version"] for event in told] == [1, 3]


@pytest.mark.parametrize("failure", [OSError("no"), RuntimeError("no"), KeyError("no")])
def test_whatever_goes_wrong_with_one_version_the_others_are_destroyed(
    database: Database,
    session: Session,
    digits: Dataset,
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    model, versions = with_old_versions(session, digits, "cnn", 2)
    for version in versions:
        written(store, model, version)
    real, bad = store.destroy, versions[0].digest

    def destroy(name: str, digest: str) -> None:
        if digest == bad:
            raise failure
        real(name, digest)

    monkeypatch.setattr(store, "destroy", destroy)
    destroy_old_versions(database, store)

    assert states(session, versions) == ["superseded", "destroyed"]


def test_versions_that_cannot_be_destroyed_hold_up_no_other_models(
    database: Database, session: Session, digits: Dataset, store: LocalStore
) -> None:
    """There are as many of them as a sweep destroys, and they are the older ones."""
    model, lost = with_old_versions(session, digits, "lost", AT_ONCE)
    other, (old,) = with_old_versions(session, digits, "other", 1)
    folder = written(store, other, old)

    for _sweep in range(2):
        destroy_old_versions(database, store)

    assert states(session, lost) == ["superseded"] * AT_ONCE
    assert (states(session, [old]), folder.exists()) == (["destroyed"], False)
    # Once their storage is back they go too, the one that waits longest first, and not too soon.
    for version in lost:
        written(store, model, version)
    destroy_old_versions(database, store)
    assert states(session, lost) == ["superseded"] * AT_ONCE
    for version in lost[1:]:
        version.destroy_tried_at = clock_now - PAUSE * 1.1
    session.commit()
    destroy_old_versions(database, store)
    assert states(session, lost) == ["superseded"] + ["destroyed"] * (AT_ONCE - 1)
