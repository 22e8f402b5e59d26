"""Versions that are published, refused or given up at the same moment."""

import pytest
from sqlalchemy.orm import Session

from service.core import clock, publication
from service.core.db import Database
from service.core.facts import record
from service.core.tables import DeletionRequest, Model, ModelVersion
from tests import factories
from tests.service.racing import in_background, released, wait_for_blocked
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import ClaimedJob


@pytest.fixture
def both(database: Database, session: Session) -> tuple[DeletionRequest, list[ClaimedJob]]:
    """A request, and the claimed jobs of the two models that it waits for."""
    digits = factories.dataset(session)
    models = [factories.model(session, digits, name) for name in ("first", "second")]
    request = factories.request(session, ["s-1"])
    claimed = []
    for model in models:
        job = factories.job(session, model, factories.head(session, model), tv=1)
        with database.unit_of_work() as other:
            one = jobs.claim(other, job.id, "worker", 60)
        assert one is not None
        claimed.append(one)
    return request, claimed


def publish_together(database: Database, claimed: list[ClaimedJob]) -> None:
    """The second publishes while the first has done everything but commit."""
    first, second = claimed

    def publish_second() -> ModelVersion:
        with database.unit_of_work() as session:
            return publishing.publish(session, second, factories.unlearned())

    with database.session() as session:
        publishing.publish(session, first, factories.unlearned())
        session.flush()
        with in_background(publish_second) as publishing_second:
            wait_for_blocked(database, publishing_second)
            session.commit()
            publishing_second.result()


def test_two_models_that_publish_at_the_same_moment_complete_the_request(
    database: Database, session: Session, both: tuple[DeletionRequest, list[ClaimedJob]]
) -> None:
    request, claimed = both

    publish_together(database, claimed)

    session.refresh(request)
    assert (request.state, request.unlearned) == ("completed", True)


def test_without_the_clocks_lock_each_would_miss_the_other(
    database: Database,
    session: Session,
    both: tuple[DeletionRequest, list[ClaimedJob]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shows that the test above would notice: the same race, with the lock taken out."""
    request, claimed = both
    read = clock.read
    monkeypatch.setattr(clock, "read", lambda session, key, lock: read(session, key, lock=not lock))
    monkeypatch.setattr(record, "lock_dataset", lambda *_given: None)

    publish_together(database, claimed)

    session.refresh(request)
    assert (request.state, request.unlearned) == ("processing", False)


def test_a_model_that_changes_while_its_lock_is_waited_for_is_read_anew(
    database: Database, session: Session
) -> None:
    model = factories.model(session, factories.dataset(session))

    def lock() -> tuple[bool, int]:
        with database.unit_of_work() as other:
            seen = other.get_one(Model, model.id)
            publication.lock_model(other, model.id)
            return seen.paused, seen.failed_tv

    model.paused, model.failed_tv = True, 1
    session.flush()
    with in_background(lock) as locking, released(session):
        wait_for_blocked(database, locking)
        session.commit()
        assert locking.result() == (True, 1)
