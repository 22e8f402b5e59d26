"""Stopping a job: at once where it waits, by its worker where it runs, and for good."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.settings import Settings
from service.core.tables import (
    Dataset,
    Event,
    Job,
    JobPhase,
    JobReason,
    JobState,
    Model,
    ModelVersion,
)
from service.dispatcher.service import make_jobs, take_back
from tests import factories
from tests.service.racing import in_background, released, wait_for_blocked
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import Beat, ClaimedJob
from workers.lifecycle.leases import CancelledError
from workers.plan import Unlearned


@pytest.fixture
def job(session: Session, database: Database, cnn: Model) -> Job:
    """A queued job of a model that is behind by one request."""
    assert cnn.name == "cnn"
    factories.request(session, ["s-1"])
    make_jobs(database)
    return session.scalars(select(Job)).one()


@pytest.fixture
def claimed(database: Database, session: Session, job: Job) -> ClaimedJob:
    with database.unit_of_work() as opened:
        taken = jobs.claim(opened, job.id, "worker", 60)
    assert taken is not None
    session.refresh(job)
    return taken


def cancel(client: TestClient, job: Job) -> Any:
    return client.post(f"/v1/jobs/{job.id}:cancel")


def shown(client: TestClient, job: Job) -> tuple[Any, ...]:
    read = client.get(f"/v1/jobs/{job.id}").json()
    return read["state"], read["reason_code"], read["reason"]


CANCELLED = ("cancelled", "cancelled", "Cancelled by request.")


def statuses(client: TestClient) -> list[str]:
    found = client.get("/v1/deletion-requests").json()["items"]
    return [request["status"] for request in reversed(found)]


def kinds(session: Session) -> list[str]:
    session.rollback()
    of_jobs = Event.kind.startswith("job.")
    return list(session.scalars(select(Event.kind).where(of_jobs).order_by(Event.id)))


def test_a_job_that_waits_ends_at_once_with_its_requests(client: TestClient, job: Job) -> None:
    answer = cancel(client, job)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["reason_code"]) == ("cancelled", "cancelled")
    assert answer.json()["finished_at"] is not None
    read = client.get(f"/v1/jobs/{job.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert read.status_code == 304
    (request,) = client.get("/v1/deletion-requests").json()["items"]
    assert request["status"] == "failed"
    assert request["jobs"][0]["reason_code"] == "cancelled"
    assert request["detail"] == "cnn: Cancelled by request."


def test_a_cancelled_job_is_not_made_again_until_a_request_is_retried(
    client: TestClient, session: Session, database: Database, job: Job
) -> None:
    """Also not for requests that came after the job was made: it would have served them too."""
    later = factories.request(session, ["s-2"])
    assert later.tv > job.tv
    cancel(client, job)

    make_jobs(database)
    assert statuses(client) == ["failed", "failed"]
    session.rollback()
    assert len(session.scalars(select(Job)).all()) == 1

    assert client.post(f"/v1/deletion-requests/{later.id}:retry").status_code == 202
    make_jobs(database)
    session.rollback()
    states = session.scalars(select(Job.state).order_by(Job.created_at)).all()
    assert states == ["cancelled", "queued"]
    assert statuses(client) == ["processing", "processing"]


def test_a_request_that_another_version_in_review_answers_goes_on_waiting(
    client: TestClient, session: Session, database: Database, cnn: Model, claimed: ClaimedJob
) -> None:
    with database.unit_of_work() as opened:
        publishing.publish(opened, claimed, factories.unlearned("Agreement is too low."))
    factories.request(session, ["s-2"])
    make_jobs(database)
    second = session.scalars(select(Job).where(Job.state == JobState.QUEUED)).one()

    cancel(client, second)

    assert statuses(client) == ["processing", "failed"]
    session.refresh(cnn)
    assert (cnn.held_tv, cnn.failed_tv) == (2, 2)


def test_a_running_job_is_asked_to_stop_and_asking_twice_is_asking_once(
    client: TestClient, session: Session, database: Database, job: Job, claimed: ClaimedJob
) -> None:
    beat = Beat(JobPhase.LOADING, 0.5, None)
    with database.unit_of_work() as opened:
        assert not jobs.heartbeat(opened, claimed, beat, 60)

    first, second = cancel(client, job), cancel(client, job)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["Retry-After"] == "2"
    assert first.json()["state"] == "running"
    assert first.json()["cancel_requested_at"] is not None
    assert first.json()["cancel_requested_at"] == second.json()["cancel_requested_at"]
    assert kinds(session) == ["job.queued", "job.started", "job.cancel_requested"]
    with database.unit_of_work() as opened:
        assert jobs.heartbeat(opened, claimed, beat, 60)


def ends(
    how: str, database: Database, settings: Settings, claimed: ClaimedJob, session: Session
) -> None:
    """The attempt of a job that was asked to stop comes to an end in one of these ways."""
    with database.unit_of_work() as opened:
        if how == "is stopped":
            jobs.cancel(opened, claimed)
        elif how == "is put back":
            assert not jobs.put_back(opened, claimed, JobReason.KILLED, "It was killed.", 3)
        elif how == "is given back":
            assert not jobs.give_back(opened, claimed)
    if how == "lapses":
        session.execute(update(Job).values(lease_until=clock_now - timedelta(seconds=1)))
        session.commit()
        take_back(database, settings)


@pytest.mark.parametrize("how", ["is stopped", "is put back", "is given back", "lapses"])
def test_a_job_that_was_asked_to_stop_ends_cancelled_and_never_waits_again(
    how: str,
    client: TestClient,
    session: Session,
    database: Database,
    settings: Settings,
    job: Job,
    claimed: ClaimedJob,
) -> None:
    cancel(client, job)

    ends(how, database, settings, claimed, session)

    assert shown(client, job) == CANCELLED
    assert statuses(client) == ["failed"]
    make_jobs(database)
    session.expire_all()
    assert len(session.scalars(select(Job)).all()) == 1
    assert kinds(session)[-1] == "job.cancelled"
    row = session.get_one(Job, job.id)
    assert (row.lease_owner, row.lease_until) == (None, None)


@pytest.mark.parametrize("outcome", [factories.unlearned(), factories.unlearned("It is bad.")])
def test_a_job_that_was_asked_to_stop_publishes_nothing(
    outcome: Unlearned,
    client: TestClient,
    session: Session,
    database: Database,
    job: Job,
    claimed: ClaimedJob,
) -> None:
    cancel(client, job)

    with pytest.raises(CancelledError), database.unit_of_work() as opened:
        publishing.publish(opened, claimed, outcome)

    assert [row.number for row in session.scalars(select(ModelVersion))] == [1]


def test_a_cancellation_that_meets_a_publication_finds_the_job_published(
    client: TestClient, session: Session, database: Database, job: Job, claimed: ClaimedJob
) -> None:
    """Whoever is first wins, and the other one is told."""
    publishing.publish(session, claimed, factories.unlearned())

    with in_background(lambda: cancel(client, job)) as cancelling, released(session):
        wait_for_blocked(database, cancelling)
        session.commit()
        refused = cancelling.result()

    assert (refused.status_code, refused.json()["state"]) == (409, "published")
    assert shown(client, job) == ("published", None, None)


@pytest.mark.parametrize("state", ["published", "failed", "cancelled", "needs_review"])
def test_a_job_that_is_over_cannot_be_cancelled(
    state: str, client: TestClient, session: Session, job: Job
) -> None:
    job.state = JobState(state)
    session.commit()

    refused = cancel(client, job)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/illegal-move")
    assert refused.json()["state"] == state
    assert ("reject" in refused.json()["detail"]) == (state == "needs_review")


def test_a_job_that_does_not_exist_cannot_be_cancelled(client: TestClient) -> None:
    refused = client.post(f"/v1/jobs/{uuid4()}:cancel")

    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/job-not-found")


def test_a_job_whose_requests_were_all_cancelled_says_that_nothing_was_left(
    client: TestClient, database: Database, job: Job, digits: Dataset
) -> None:
    assert digits.name == "digits"
    (request,) = client.get("/v1/deletion-requests").json()["items"]
    client.post(f"/v1/deletion-requests/{request['id']}:cancel")

    with database.unit_of_work() as opened:
        assert jobs.claim(opened, job.id, "worker", 60) is None

    assert shown(client, job)[:2] == ("cancelled", "nothing_left")


def test_every_reason_is_stored_and_shown(client: TestClient, session: Session, job: Job) -> None:
    for code in JobReason:
        job.state, job.reason_code, job.reason = JobState.FAILED, code, "It went wrong."
        session.commit()

        assert shown(client, job) == ("failed", code.value, "It went wrong.")
