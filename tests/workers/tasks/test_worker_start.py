"""What a worker does before it takes any work."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.storage import LocalStore
from tests import factories
from workers import context


@pytest.fixture
def left(session: Session, worker: Settings) -> Path:
    """Files that a killed worker moved two days ago and did not store."""
    model = factories.model(session, factories.dataset(session))
    request = factories.request(session, ["s-1"])
    job = factories.job(session, model, factories.head(session, model), tv=request.tv)
    directory = LocalStore(worker.storage_dir).directory("cnn", "d1")
    directory.mkdir(parents=True)
    (directory / "unlearning.json").write_text(json.dumps({"job_id": str(job.id)}), "utf-8")
    os.utime(directory, (0, 0))
    return directory


def test_a_worker_that_starts_removes_files_without_a_version(left: Path) -> None:
    from workers.app import sweep_litter

    sweep_litter()

    assert not left.exists()


def test_a_worker_starts_also_where_it_cannot_look_for_litter(
    left: Path, worker: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.app import sweep_litter

    worker.database_url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    context.database.cache_clear()
    sweep_litter()

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalStore, "versions", fail)
    sweep_litter()
    assert left.exists()
