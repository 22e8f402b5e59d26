"""Whoever follows a request by its events' numbers misses none."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core import clock, publication
from service.core.db import Database
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.tables import Dataset, DeletionRequest, Event, Job, Model
from service.deletion_requests import queries
from tests import factories
from tests.service.calls import pages
from tests.service.racing import in_background, released, wait_for_blocked
from tests.service.stories import Story


@pytest.fixture
def two_jobs(session: Session, digits: Dataset) -> list[Job]:
    """Jobs of two models, which both serve one request."""
    models = [factories.model(session, digits, name) for name in ("one", "two")]
    factories.request(session, ["s-1"])
    return [factories.job(session, one, factories.head(session, one), tv=1) for one in models]


def read(database: Database, after: int) -> list[tuple[int, str]]:
    with database.unit_of_work() as session:
        request = session.scalars(select(DeletionRequest)).one()
        page = queries.events(session, request, after=after, limit=100)
        return [(event.id, event.kind) for event in page]


def test_an_event_is_not_numbered_before_an_earlier_one_is_committed(
    database: Database, session: Session, two_jobs: list[Job]
) -> None:
    """By its number alone, a reader of the second would be past the first before that is there."""
    first, second = two_jobs
    ((last, _accepted),) = read(database, after=0)

    def record_second() -> None:
        with database.unit_of_work() as other:
            job = other.get_one(Job, second.id)
            record(other, kinds.JobStarted(**kinds.about(job), parent_version=1))

    record(session, kinds.JobCancelRequested(**kinds.about(first)))
    session.flush()
    with in_background(record_second) as recording, released(session):
        wait_for_blocked(database, recording)
        assert read(database, after=last) == []
        session.commit()
        recording.result()

    seen = read(database, after=last)
    assert [kind for _, kind in seen] == ["job.cancel_requested", "job.started"]
    assert read(database, after=seen[0][0]) == seen[1:]


# What is done, and after what.
RECORDING = {
    "queue": "ask",
    "claim": "ask, queue",
    "publish": "ask, queue, claim",
    "hold": "ask, queue, claim",
    "fail": "ask, queue, claim",
    "stop": "ask, queue, claim",
    "requeue": "ask, queue, claim",
    "approve 2": "ask, queue, claim, hold",
    "refuse 2": "ask, queue, claim, hold",
    "retry 1": "ask, queue, claim, fail",
    "withdraw 1": "ask",
}
LOCKING_A_MODEL = [step for step in RECORDING if step not in ("queue", "requeue", "withdraw 1")]


def tell(database: Database, steps: str) -> None:
    """In a transaction of its own."""
    with database.unit_of_work() as other:
        model = other.scalars(select(Model)).one()
        Story(other, other.get_one(Dataset, model.dataset_id), model).tell(steps)


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize("step", RECORDING)
def test_whatever_a_request_shows_is_numbered_under_the_datasets_lock(
    database: Database, session: Session, digits: Dataset, step: str
) -> None:
    tell(database, RECORDING[step])
    numbers = text("SELECT last_value FROM events_id_seq")
    before = session.scalar(numbers)
    clock.read(session, digits.id, lock=True)

    with in_background(lambda: tell(database, step)) as recording, released(session):
        wait_for_blocked(database, recording)
        assert session.scalar(numbers) == before
        session.commit()
        recording.result()

    assert session.scalar(numbers) > before


@pytest.mark.parametrize("step", LOCKING_A_MODEL)
def test_nobody_waits_for_a_model_with_its_dataset_in_the_hand(
    database: Database, session: Session, digits: Dataset, cnn: Model, step: str
) -> None:
    """Models are locked before datasets everywhere; else two would wait in a circle."""
    tell(database, RECORDING[step])
    publication.lock_model(session, cnn.id)

    with in_background(lambda: tell(database, step)) as waiting, released(session):
        wait_for_blocked(database, waiting)
        free = select(Dataset.id).with_for_update(skip_locked=True)
        with database.unit_of_work() as other:
            assert other.scalars(free).all() == [digits.id]
        session.commit()
        waiting.result()


@pytest.mark.usefixtures("cnn")
def test_a_request_shows_what_its_job_did_from_when_it_served_it(
    client: TestClient, database: Database, session: Session
) -> None:
    """A claim that takes a later request in adds nothing to what its followers have passed."""
    tell(database, "ask, queue, claim, ask, requeue")
    first, second = session.scalars(select(DeletionRequest.id).order_by(DeletionRequest.tv))

    def kinds(request_id: object) -> list[str]:
        path = f"/v1/deletion-requests/{request_id}/events"
        return [event["kind"] for page in pages(client, path, limit=2) for event in page]

    assert kinds(second) == ["request.accepted"]
    tell(database, "claim")

    earlier = ["request.accepted", "job.queued", "job.started", "job.requeued"]
    assert kinds(first) == [*earlier, "job.started"]
    assert kinds(second) == ["request.accepted", "job.started"]
    assert len(session.scalars(select(Event.id)).all()) == 6
