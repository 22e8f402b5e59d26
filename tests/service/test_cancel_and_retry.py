"""Taking requests back, and trying failed ones again."""

from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import attempts
from service.core.db import Database
from service.core.tables import DeletionRequest, Job, JobReason, JobState, Model, Tombstone
from service.deletion_requests.service import NOTHING_NEW
from service.dispatcher.service import make_jobs
from tests import factories
from workers.lifecycle import jobs, publishing


def post(client: TestClient, *sample_ids: str) -> dict[str, Any]:
    body = {"dataset": "digits", "sample_ids": list(sample_ids)}
    answer = client.post("/v1/deletion-requests", json=body)
    assert answer.status_code == 202
    accepted: dict[str, Any] = answer.json()
    return accepted


def tombstones(session: Session) -> dict[str, str]:
    session.rollback()
    return {row.sample_id: str(row.request_id) for row in session.scalars(select(Tombstone))}


def test_a_cancelled_request_lifts_its_tombstones(client: TestClient, session: Session) -> None:
    factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1", "s-2", "unknown")

    cancelled = client.post(f"/v1/deletion-requests/{accepted['id']}:cancel")

    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["counts"]["cancelled"] == 2
    assert cancelled.json()["counts"]["not_found"] == 1
    assert tombstones(session) == {}
    assert client.get("/v1/datasets/digits/tombstones").text == ""


def test_what_another_live_request_names_stays_deleted_and_is_its_own_from_then_on(
    client: TestClient, session: Session, database: Database
) -> None:
    model = factories.model(session, factories.dataset(session))
    first = post(client, "s-1", "s-2")
    second = post(client, "s-2")
    third = post(client, "s-2", "s-3")
    assert (second["counts"]["already_deleted"], second["tv"]) == (1, first["tv"])

    client.post(f"/v1/deletion-requests/{first['id']}:cancel")

    assert tombstones(session) == {"s-2": second["id"], "s-3": third["id"]}
    heir = client.get(f"/v1/deletion-requests/{second['id']}").json()
    assert (heir["counts"]["staged"], heir["counts"]["already_deleted"]) == (1, 0)
    assert (second["detail"], heir["detail"]) == (NOTHING_NEW, None)
    # The heir is served by the next job as if it had come first.
    make_jobs(database)
    job_id = session.scalars(select(Job.id).where(Job.model_id == model.id)).one()
    with database.unit_of_work() as opened:
        claimed = jobs.claim(opened, job_id, "test", 60)
    assert claimed is not None
    with database.unit_of_work() as opened:
        assert jobs.read_forget_set(opened, claimed).forgotten.tolist() == [2, 3]


def test_a_request_that_a_job_has_claimed_cannot_be_cancelled(
    client: TestClient, session: Session, database: Database
) -> None:
    factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1")
    make_jobs(database)
    job_id = session.scalars(select(Job.id)).one()
    with database.unit_of_work() as opened:
        assert jobs.claim(opened, job_id, "test", 60) is not None

    refused = client.post(f"/v1/deletion-requests/{accepted['id']}:cancel")

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/illegal-move"
    assert tombstones(session) == {"s-1": accepted["id"]}


def test_a_cancelled_request_shows_nothing_of_what_was_done_for_later_ones(
    client: TestClient, session: Session, database: Database
) -> None:
    """Later jobs pass over its reading of the clock, and have nothing to do with it."""
    factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1")
    client.post(f"/v1/deletion-requests/{accepted['id']}:cancel")
    later = post(client, "s-2")
    make_jobs(database)
    job_id = session.scalars(select(Job.id)).one()
    with database.unit_of_work() as opened:
        claimed = jobs.claim(opened, job_id, "test", 60)
    assert claimed is not None
    with database.unit_of_work() as opened:
        publishing.publish(opened, claimed, factories.unlearned())

    shown = client.get(accepted["links"]["self"]).json()
    events = client.get(accepted["links"]["events"]).json()["items"]

    assert (shown["status"], shown["jobs"], shown["versions"]) == ("cancelled", [], [])
    assert [event["kind"] for event in events] == ["request.accepted", "request.cancelled"]
    answered = client.get(later["links"]["self"]).json()
    assert (len(answered["jobs"]), len(answered["versions"])) == (1, 1)


def test_a_model_whose_only_request_was_cancelled_gets_no_job(
    client: TestClient, session: Session, database: Database
) -> None:
    factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1")
    client.post(f"/v1/deletion-requests/{accepted['id']}:cancel")

    make_jobs(database)

    assert session.scalars(select(Job)).all() == []


def test_a_failed_request_is_tried_again_and_only_a_failed_one(
    client: TestClient, session: Session, database: Database
) -> None:
    model = factories.model(session, factories.dataset(session))
    accepted = post(client, "s-1")
    path = f"/v1/deletion-requests/{accepted['id']}"
    assert client.post(f"{path}:retry").status_code == 409
    make_jobs(database)
    with database.unit_of_work() as opened:
        job = opened.scalars(select(Job)).one()
        attempts.fail(opened, job, JobReason.CRASHED, "It went wrong.")
    failed = client.get(path).json()
    assert (failed["status"], failed["jobs"][0]["reason"]) == ("failed", "It went wrong.")
    make_jobs(database)
    assert len(session.scalars(select(Job)).all()) == 1

    retried = client.post(f"{path}:retry")

    assert (retried.status_code, retried.json()["status"]) == (202, "processing")
    make_jobs(database)
    session.rollback()
    states = {job.state for job in session.scalars(select(Job).where(Job.model_id == model.id))}
    assert states == {JobState.FAILED, JobState.QUEUED}
    assert session.get_one(Model, model.id).failed_tv == 0
    assert session.get_one(DeletionRequest, UUID(accepted["id"])).state == "processing"
