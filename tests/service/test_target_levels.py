"""A level that a policy asks for, from the registration to what the job says of it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Event, Job, Model
from service.dispatcher.service import make_jobs
from tests import factories
from tests.service.calls import accepted, fetched
from tests.service.test_models_api import ORDER
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import ClaimedJob


def claim(database: Database) -> ClaimedJob:
    make_jobs(database)
    with database.unit_of_work() as session:
        job_id = session.scalars(select(Job.id).where(Job.state == "queued")).one()
        claimed = jobs.claim(session, job_id, "test", 60)
    assert claimed is not None
    return claimed


def end(database: Database, claimed: ClaimedJob, *reasons: str, level: str) -> None:
    with database.unit_of_work() as session:
        publishing.publish(session, claimed, factories.unlearned(*reasons, level=level))


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("level", ["utility", "membership", "robust"])
def test_a_registration_may_ask_for_a_level_and_a_floor(
    client: TestClient, session: Session, level: str
) -> None:
    asked = {"target_level": level, "min_agreement": 0.97}
    answer = client.post("/v1/models", json={**ORDER, "policy": asked})

    assert answer.status_code == 202, answer.text
    shown = fetched(client, "/v1/models/digits-cnn")["policy"]
    assert {name: shown[name] for name in asked} == asked
    # A floor that is given is kept, also if it is what the gate's own rule begins with.
    assert session.scalars(select(Model.policy["min_agreement"].as_float())).one() == 0.97


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("policy", [{}, {"min_agreement": None}, {"target_level": "membership"}])
def test_what_is_not_asked_for_is_not_stored_and_read_by_the_release_before(
    client: TestClient, session: Session, policy: dict[str, Any]
) -> None:
    assert client.post("/v1/models", json={**ORDER, "policy": policy}).status_code == 202

    stored = session.scalars(select(Model.policy)).one()
    # That release refuses a key that it does not know, and null for the floor.
    assert not stored.keys() & {"target_level", "min_agreement"}
    shown = fetched(client, "/v1/models/digits-cnn")["policy"]
    assert (shown["target_level"], shown["min_agreement"]) == ("membership", None)


def test_a_model_of_an_earlier_release_keeps_its_floor_and_asks_for_the_default(
    client: TestClient, session: Session, cnn: Model
) -> None:
    cnn.policy = {"batch_window_seconds": 0, "min_agreement": 0.97, "retention_days": 30}
    session.commit()

    shown = fetched(client, "/v1/models/cnn")["policy"]

    assert (shown["min_agreement"], shown["target_level"]) == (0.97, "membership")


@pytest.mark.parametrize("level", ["none", "Robust", "", None])
def test_the_database_takes_no_level_that_does_not_exist(
    session: Session, cnn: Model, level: str | None
) -> None:
    with pytest.raises(IntegrityError, match="ck_models_target_level"):
        session.execute(update(Model).values(policy={**cnn.policy, "target_level": level}))


def test_a_job_says_what_it_was_asked_for_when_it_was_claimed_and_what_it_reached(
    client: TestClient, session: Session, database: Database, cnn: Model
) -> None:
    cnn.policy = {**cnn.policy, "target_level": "robust"}
    session.commit()
    accepted(client, ["s-1"])
    make_jobs(database)
    (waiting,) = fetched(client, "/v1/jobs")["items"]
    assert (waiting["target_level"], waiting["level"]) == (None, None)

    claimed = claim(database)
    cnn.policy = {**cnn.policy, "target_level": "utility"}
    session.commit()
    running = fetched(client, f"/v1/jobs/{claimed.id}")
    assert (running["target_level"], running["level"]) == ("robust", None)
    end(database, claimed, level="utility")

    ended = fetched(client, f"/v1/jobs/{claimed.id}")
    # Its target is out of reach, and its requests are answered all the same.
    assert (ended["state"], ended["version"]) == ("published", 2)
    assert (ended["target_level"], ended["level"]) == ("robust", "utility")
    told = session.scalars(select(Event.data).where(Event.kind == "job.published")).one()
    assert (told["target_level"], told["level"]) == ("robust", "utility")


@pytest.mark.usefixtures("cnn")
def test_a_version_that_waits_for_review_says_both_levels_too(
    client: TestClient, session: Session, database: Database
) -> None:
    accepted(client, ["s-1"])
    claimed = claim(database)
    end(database, claimed, "It agrees too little.", level="none")

    waiting = fetched(client, f"/v1/jobs/{claimed.id}")

    assert (waiting["state"], waiting["target_level"]) == ("needs_review", "membership")
    assert waiting["level"] == "none"
    told = session.scalars(select(Event.data).where(Event.kind == "job.needs_review")).one()
    assert (told["target_level"], told["level"]) == ("membership", "none")
