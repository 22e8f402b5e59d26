"""Versions that wait for a person."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import Job, Model, ModelVersion, VersionState
from service.dispatcher.retention import destroy_old_versions
from service.dispatcher.service import make_jobs
from tests import factories
from workers.lifecycle import jobs, publishing
from workers.plan import Unlearned, Written


@pytest.fixture
def waiting(client: TestClient, session: Session, database: Database) -> dict[str, Any]:
    """A request whose version did not pass its gate, and waits."""
    factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1")
    finish_a_job(database, passed=False)
    return accepted


def post(client: TestClient, *sample_ids: str) -> dict[str, Any]:
    body = {"dataset": "digits", "sample_ids": list(sample_ids)}
    accepted: dict[str, Any] = client.post("/v1/deletion-requests", json=body).json()
    return accepted


def status(client: TestClient, accepted: dict[str, Any]) -> str:
    request: dict[str, Any] = client.get(f"/v1/deletion-requests/{accepted['id']}").json()
    return str(request["status"])


def finish_a_job(database: Database, *, passed: bool) -> None:
    make_jobs(database)
    with database.unit_of_work() as opened:
        job_id = opened.scalars(select(Job.id).where(Job.state == "queued")).one()
        claimed = jobs.claim(opened, job_id, "test", 60)
    assert claimed is not None
    written = Written(digest=job_id.hex * 2, files=[])
    reasons = [] if passed else ["Agreement is 0.9; at least 0.97 is wanted."]
    outcome = Unlearned(
        written=written,
        commitment="c" * 64,
        audit={"level": "none"},
        passed=passed,
        reasons=reasons,
    )
    with database.unit_of_work() as opened:
        publishing.publish(opened, claimed, outcome)


def test_a_version_below_the_gate_waits_and_nothing_else_changes(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    assert client.get("/v1/models/cnn/versions/2").json()["state"] == "staging"
    assert client.get("/v1/models/cnn/versions/1").json()["state"] == "published"
    assert client.get("/v1/models/cnn/aliases/champion").json()["version"] == 1
    request = client.get(f"/v1/deletion-requests/{waiting['id']}").json()
    assert (request["status"], request["jobs"][0]["state"]) == ("processing", "needs_review")
    assert request["versions"] == []

    make_jobs(database)
    assert len(client.get("/v1/jobs").json()["items"]) == 1


def test_an_approved_version_is_published_and_completes_its_requests(
    client: TestClient, waiting: dict[str, Any]
) -> None:
    approved = client.post("/v1/models/cnn/versions/2:approve")

    assert (approved.status_code, approved.json()["state"]) == (200, "published")
    assert client.get("/v1/models/cnn/aliases/champion").json()["version"] == 2
    request = client.get(f"/v1/deletion-requests/{waiting['id']}").json()
    assert (request["status"], request["counts"]["unlearned"]) == ("completed", 1)
    (job,) = request["jobs"]
    assert (job["state"], job["progress"]) == ("published", 1.0)
    # An operator who looks for what waits finds it no more.
    assert client.get("/v1/jobs?state=needs_review").json()["items"] == []
    assert client.post("/v1/models/cnn/versions/2:approve").status_code == 409
    assert client.post("/v1/models/cnn/versions/2:reject").status_code == 409


def test_a_rejected_version_loses_its_files_and_fails_its_requests(
    client: TestClient, waiting: dict[str, Any], settings: Settings, database: Database
) -> None:
    digest = client.get("/v1/models/cnn/versions/2").json()["digest"]
    folder = LocalStore(settings.storage_dir).directory("cnn", digest)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")

    rejected = client.post("/v1/models/cnn/versions/2:reject")

    assert (rejected.status_code, rejected.json()["state"]) == (200, "rejected")
    (job,) = client.get("/v1/jobs").json()["items"]
    assert (job["state"], job["reason"]) == ("failed", "Agreement is 0.9; at least 0.97 is wanted.")
    destroy_old_versions(database, LocalStore(settings.storage_dir))
    assert not folder.exists()
    gone = client.get("/v1/models/cnn/versions/2/files/manifest.json")
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone")
    assert client.get(f"/v1/deletion-requests/{waiting['id']}").json()["status"] == "failed"


def test_a_version_is_not_approved_while_a_job_builds_on_the_present_one(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    assert waiting["status"] == "staged"
    post(client, "s-2")
    make_jobs(database)

    refused = client.post("/v1/models/cnn/versions/2:approve")

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-under-way")


def test_a_waiting_version_goes_when_another_is_published(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    """It could not follow the new head, and it holds what the head has forgotten."""
    post(client, "s-2")
    finish_a_job(database, passed=True)

    assert client.get("/v1/models/cnn/aliases/champion").json()["version"] == 3
    assert client.get("/v1/models/cnn/versions/2").json()["state"] == "rejected"
    assert status(client, waiting) == "completed"
    refused = client.post("/v1/models/cnn/versions/2:approve")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/illegal-move")


def test_what_the_approved_one_of_two_versions_lacks_is_unlearned_next(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    later = post(client, "s-2")
    finish_a_job(database, passed=False)

    assert client.post("/v1/models/cnn/versions/2:approve").status_code == 200

    assert (status(client, waiting), status(client, later)) == ("completed", "processing")
    assert client.get("/v1/models/cnn/versions/3").json()["state"] == "rejected"
    finish_a_job(database, passed=True)
    assert status(client, later) == "completed"
    assert client.get("/v1/models/cnn/versions/4").json()["tv"] == later["tv"]


def test_a_refused_version_fails_no_request_that_a_later_one_still_answers(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    later = post(client, "s-2")
    finish_a_job(database, passed=False)

    client.post("/v1/models/cnn/versions/2:reject")
    assert (status(client, waiting), status(client, later)) == ("processing", "processing")

    client.post("/v1/models/cnn/versions/3:reject")
    assert (status(client, waiting), status(client, later)) == ("failed", "failed")


def test_a_refused_version_fails_no_request_that_a_job_is_at_work_on(
    client: TestClient, waiting: dict[str, Any], database: Database
) -> None:
    post(client, "s-2")
    make_jobs(database)

    client.post("/v1/models/cnn/versions/2:reject")

    assert status(client, waiting) == "processing"


def test_superseded_versions_are_destroyed_after_their_retention_and_not_before(
    client: TestClient, session: Session, database: Database, tmp_path: Path
) -> None:
    """Promise: old versions still hold the data, so they go, and the history says so."""
    factories.model(session, factories.dataset(session), retention_days=2)
    client.post("/v1/deletion-requests", json={"dataset": "digits", "sample_ids": ["s-1"]})
    finish_a_job(database, passed=True)
    store = LocalStore(tmp_path / "store")
    for version in session.scalars(select(ModelVersion)):
        folder = store.directory("cnn", version.digest)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text("weights")

    for days, state in ((1.9, VersionState.SUPERSEDED), (2.1, VersionState.DESTROYED)):
        with database.unit_of_work() as opened:
            old = opened.scalars(select(ModelVersion).where(ModelVersion.number == 1)).one()
            old.superseded_at = clock_now - timedelta(days=days)
        destroy_old_versions(database, store)
        session.rollback()
        first, second = session.scalars(select(ModelVersion).order_by(ModelVersion.number))
        session.refresh(first)
        assert first.state == state
        assert store.directory("cnn", first.digest).exists() == (state == VersionState.SUPERSEDED)
        assert store.directory("cnn", second.digest).exists()
        assert second.state == VersionState.PUBLISHED

    assert client.get("/v1/models/cnn/versions/1/files/manifest.json").status_code == 410
    assert session.scalars(select(Model)).one().name == "cnn"


def test_a_storage_that_is_not_the_right_one_destroys_nothing(
    client: TestClient, waiting: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    """Promise: a version is called destroyed only when its files are gone."""
    assert waiting["tv"] == 1
    client.post("/v1/models/cnn/versions/2:reject")

    destroy_old_versions(database, LocalStore(tmp_path / "elsewhere"))

    with database.unit_of_work() as opened:
        rejected = opened.scalars(select(ModelVersion).where(ModelVersion.number == 2)).one()
        assert rejected.destroyed_at is None
