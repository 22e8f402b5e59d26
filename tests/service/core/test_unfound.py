"""Rows that come later than a request for their deletion are noticed."""

from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core import unfound
from service.core.tables import DatasetState
from tests import factories
from tests.service.calls import accepted


def test_a_row_that_arrives_after_its_deletion_was_asked_for_is_noticed(
    client: TestClient, session: Session
) -> None:
    dataset = factories.dataset(session)
    first = accepted(client, ["s-1", "later", "never-came"])
    accepted(client, ["later", "s-2"])
    assert list(unfound.arrived(session, dataset.id)) == []

    factories.samples(session, ["later", "somebody-else"], first=500)

    (found,) = unfound.arrived(session, dataset.id)
    assert (found.sample_id, found.row_position) == ("later", 500)
    assert str(found.request_id) == first["id"]


def test_a_row_that_has_a_tombstone_by_now_is_not_noticed_again(
    client: TestClient, session: Session
) -> None:
    dataset = factories.dataset(session)
    accepted(client, ["later"])
    factories.samples(session, ["later"])

    accepted(client, ["later"])

    assert list(unfound.arrived(session, dataset.id)) == []


def test_a_request_that_was_cancelled_asks_for_nothing(
    client: TestClient, session: Session
) -> None:
    dataset = factories.dataset(session)
    factories.model(session, dataset)
    request = accepted(client, ["s-1", "later"])
    assert client.post(f"/v1/deletion-requests/{request['id']}:cancel").status_code == 200

    factories.samples(session, ["later"])

    assert list(unfound.arrived(session, dataset.id)) == []


def test_another_datasets_requests_are_not_asked(client: TestClient, session: Session) -> None:
    factories.dataset(session)
    other = factories.dataset(session, "other", state=DatasetState.READY)
    accepted(client, ["later"])

    factories.samples(session, ["later"], of=other.id)

    assert list(unfound.arrived(session, other.id)) == []


def test_pages_of_what_was_not_found_are_read_by_indexes(
    client: TestClient, session: Session
) -> None:
    dataset = factories.dataset(session)
    accepted(client, ["s-1", "later"])
    (place,) = unfound.page(session, dataset.id, None, limit=1)
    statement = unfound.after(dataset.id, place[:2], limit=10)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    session.execute(text("SET LOCAL enable_bitmapscan = off"))

    compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
    plan = "\n".join(session.scalars(text(f"EXPLAIN {compiled}")))

    assert "ix_deletion_requests_not_found" in plan
    assert "ix_deletion_request_samples_not_found" in plan
    assert "Sort" not in plan.replace("Incremental Sort", "")
