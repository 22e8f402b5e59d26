"""No statement can change history, and each event names its actor and what it is about."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core.tables import Dataset, DatasetState, Event, Model, ModelState
from tests import factories

CHANGES = {
    "update": "UPDATE events SET kind = 'request.forged'",
    "update of nothing": "UPDATE events SET actor = 'key:me' WHERE id = -1",
    "delete": "DELETE FROM events",
    "truncate": "TRUNCATE events",
    "truncate with others": "TRUNCATE deletion_requests CASCADE",
}


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_to_change_what_happened(session: Session, change: str) -> None:
    factories.request(session, ["s-1"])

    with pytest.raises(DBAPIError, match="events are history"):
        session.execute(text(CHANGES[change]))

    session.rollback()
    assert session.scalars(select(Event.kind)).all() == ["request.accepted"]


def test_an_event_has_the_names_of_what_it_is_about(
    session: Session, digits: Dataset, cnn: Model
) -> None:
    def names(**about: int) -> tuple[str | None, str | None]:
        event = Event(kind="test.told", **about)
        session.add(event)
        session.flush()
        session.refresh(event)
        return event.dataset_name, event.model_name

    assert names(dataset_id=digits.id) == ("digits", None)
    assert names(model_id=cnn.id) == ("digits", "cnn")
    assert names(dataset_id=digits.id, model_id=cnn.id) == ("digits", "cnn")
    assert names(dataset_id=-1) == (None, None)
    assert names() == (None, None)


def told(session: Session) -> list[tuple[Any, ...]]:
    session.rollback()
    columns = (Event.kind, Event.dataset_id, Event.model_id, Event.dataset_name, Event.model_name)
    return [tuple(row) for row in session.execute(select(*columns).order_by(Event.id))]


def test_an_invalid_dataset_that_is_replaced_stays_in_history(
    client: TestClient, session: Session
) -> None:
    order = {
        "name": "letters",
        "uri": "file:///nowhere/*.parquet",
        "id_column": "sample_id",
        "inputs": [factories.PIXELS],
    }
    assert client.post("/v1/datasets", json=order).status_code == 202
    first = session.scalars(select(Dataset)).one()
    replaced = first.id
    first.state = DatasetState.INVALID
    session.commit()
    assert client.post("/v1/datasets", json=order).status_code == 202
    session.rollback()
    second = session.scalars(select(Dataset.id)).one()

    assert second != replaced
    assert told(session) == [
        ("dataset.registered", replaced, None, "letters", None),
        ("dataset.registered", second, None, "letters", None),
    ]


def test_a_model_that_is_gone_stays_in_history(session: Session, cnn: Model) -> None:
    """The API removes an invalid model in this way, when its name is registered again."""
    session.add(Event(kind="model.invalid", dataset_id=cnn.dataset_id, model_id=cnn.id))
    factories.unpublish(session, cnn)
    cnn.state = ModelState.INVALID
    session.commit()
    number, dataset = cnn.id, cnn.dataset_id
    session.delete(cnn)
    session.commit()

    assert told(session) == [("model.invalid", dataset, number, "digits", "cnn")]


def test_the_release_before_actors_records_on_this_schema(session: Session, cnn: Model) -> None:
    """Its two statements, as it sends them: a rolling upgrade runs both releases on one schema."""
    request = factories.request(session, ["s-1"])
    session.execute(
        text(
            "INSERT INTO events (kind, dataset_id, request_id, data) "
            "SELECT 'request.accepted', :dataset, :request, jsonb_build_object('total', 1)"
        ),
        {"dataset": cnn.dataset_id, "request": request.id},
    )
    session.execute(
        text(
            "INSERT INTO events (kind, dataset_id, model_id, request_id, job_id, data) "
            "VALUES ('version.published', NULL, :model, NULL, NULL, '{}') RETURNING id, at"
        ),
        {"model": cnn.id},
    )
    session.commit()

    assert told(session)[1:] == [
        ("request.accepted", cnn.dataset_id, None, "digits", None),
        ("version.published", None, cnn.id, "digits", "cnn"),
    ]
    assert session.scalars(select(Event.actor).order_by(Event.id)).all()[1:] == ["system"] * 2
