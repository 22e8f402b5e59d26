"""`POST /v1/deletion-requests`: what becomes of each ID, and of the request."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import DatasetState, DeletionRequest, DeletionRequestSample, Tombstone
from service.deletion_requests.service import NOTHING_KNOWN, NOTHING_NEW
from service.main import create_app
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched, pages, post_request, refused

NOTHING_STORED = (0, 0, 0)


def stored(session: Session) -> tuple[int, ...]:
    """How many requests, samples of requests and tombstones there are."""
    session.rollback()
    tables = (DeletionRequest, DeletionRequestSample, Tombstone)
    return tuple(session.scalars(select(func.count()).select_from(t)).one() for t in tables)


def dispositions(
    client: TestClient, request: dict[str, Any], **query: Any
) -> list[tuple[str, str]]:
    items = fetched(client, f"{REQUESTS}/{request['id']}/samples", **query)["items"]
    return [(item["sample_id"], item["disposition"]) for item in items]


@pytest.mark.usefixtures("cnn")
def test_a_request_is_accepted_and_polled_at_its_location(client: TestClient) -> None:
    answer = post_request(client, ["s-1", "s-2"], client_reference="ticket-7")

    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) >= 1
    shown = answer.json()
    assert answer.headers["location"] == f"{REQUESTS}/{shown['id']}"
    assert UUID(shown["id"]).version == 4
    assert (shown["status"], shown["tv"], shown["progress"]) == ("staged", 1, 0)
    assert (shown["dataset"], shown["client_reference"]) == ("digits", "ticket-7")
    assert shown["counts"]["staged"] == shown["counts"]["total"] == 2
    assert fetched(client, shown["links"]["self"]) == shown
    for link in shown["links"].values():
        assert client.get(link).status_code == 200


@pytest.mark.usefixtures("cnn")
def test_every_id_has_its_disposition_in_the_order_given(client: TestClient) -> None:
    accepted(client, ["s-9"])

    request = accepted(client, ["s-2", "nobody", "s-1", "s-2", "s-9", "nobody", "s-2"])

    assert request["counts"] == {
        "total": 7,
        "staged": 2,
        "unlearned": 0,
        "not_found": 1,
        "already_deleted": 1,
        "duplicate": 3,
        "cancelled": 0,
    }
    assert dispositions(client, request) == [
        ("s-2", "staged"),
        ("nobody", "not_found"),
        ("s-1", "staged"),
        ("s-2", "duplicate"),
        ("s-9", "already_deleted"),
        ("nobody", "duplicate"),
        ("s-2", "duplicate"),
    ]


@pytest.mark.usefixtures("cnn")
def test_samples_are_filtered_by_disposition_and_paged(client: TestClient) -> None:
    request = accepted(client, ["s-1", "x", "s-2", "y", "s-3", "z"])

    assert [name for name, _ in dispositions(client, request, disposition="not_found")] == [
        "x",
        "y",
        "z",
    ]
    assert dispositions(client, request, disposition="unlearned") == []
    paged = pages(client, f"{REQUESTS}/{request['id']}/samples", disposition="staged", limit=2)
    assert [[item["sample_id"] for item in page] for page in paged] == [["s-1", "s-2"], ["s-3"]]
    assert [item["position"] for page in paged for item in page] == [0, 2, 4]
    everything = pages(client, f"{REQUESTS}/{request['id']}/samples", limit=4)
    assert [len(page) for page in everything] == [4, 2]


@pytest.mark.usefixtures("cnn")
def test_a_request_that_knows_no_sample_completes_at_once(client: TestClient) -> None:
    request = accepted(client, ["nobody"])

    assert (request["status"], request["detail"]) == ("completed", NOTHING_KNOWN)
    assert (request["progress"], request["tv"]) == (1, 0)
    assert request["completed_at"] is not None
    assert fetched(client, request["links"]["self"]) == request


@pytest.mark.usefixtures("cnn")
def test_a_request_for_deleted_samples_waits_for_whoever_holds_them(client: TestClient) -> None:
    first = accepted(client, ["s-1"])

    second = accepted(client, ["s-1"])

    assert (second["status"], second["detail"], second["tv"]) == (
        "staged",
        NOTHING_NEW,
        first["tv"],
    )
    assert second["counts"]["already_deleted"] == 1


@pytest.mark.usefixtures("cnn")
def test_a_request_that_meets_another_is_stored_once(client: TestClient, session: Session) -> None:
    """What was done in one statement is undone before the request is stored with more care."""
    accepted(client, ["s-1"])

    second = accepted(client, ["s-1", "s-2", "s-2"])

    assert stored(session) == (2, 4, 2)
    assert second["tv"] == 2
    kinds = [item["kind"] for item in fetched(client, second["links"]["events"])["items"]]
    assert kinds == ["request.accepted"]


@pytest.mark.usefixtures("digits")
def test_a_dataset_without_models_has_nothing_to_unlearn(client: TestClient) -> None:
    request = accepted(client, ["s-1"])

    assert (request["status"], request["counts"]["staged"]) == ("completed", 1)
    assert request["counts"]["unlearned"] == 0  # Nothing was: it says only what was done.
    assert "No model is trained on this dataset" in request["detail"]
    assert dispositions(client, request) == [("s-1", "staged")]


@pytest.mark.usefixtures("digits")
def test_no_request_may_delete_more_than_the_settings_share(
    client: TestClient, session: Session
) -> None:
    answer = post_request(client, [f"s-{n}" for n in range(31)])

    problem = refused(answer, 422, "too-large-a-share")
    assert (problem["samples"], problem["rows"], problem["max_fraction"]) == (31, 100, 0.3)
    assert stored(session) == NOTHING_STORED
    assert fetched(client, "/v1/datasets/digits")["tv"] == 0
    accepted(client, [f"s-{n}" for n in range(30)])


def test_no_request_may_delete_more_than_the_strictest_model_allows(
    client: TestClient, session: Session
) -> None:
    digits = factories.dataset(session)
    factories.model(session, digits, "lenient", max_fraction=1)
    factories.model(session, digits, "strict", max_fraction=0.05)

    problem = refused(post_request(client, [f"s-{n}" for n in range(6)]), 422, "too-large-a-share")

    assert problem["max_fraction"] == 0.05
    accepted(client, [*(f"s-{n}" for n in range(5)), "unknown", "s-1"])


@pytest.mark.usefixtures("digits")
def test_an_operator_sets_the_share(settings: Settings, client: TestClient) -> None:
    stricter = settings.model_copy(update={"max_fraction": 0.01})

    with TestClient(create_app(stricter), headers=dict(client.headers)) as other:
        refused(post_request(other, ["s-1", "s-2"]), 422, "too-large-a-share")
        accepted(other, ["s-1"])


def test_an_unknown_dataset_is_refused(client: TestClient) -> None:
    refused(post_request(client, ["s-1"]), 404, "dataset-not-found")


@pytest.mark.parametrize("state", [DatasetState.INDEXING, DatasetState.INVALID])
def test_a_dataset_that_is_not_ready_is_refused(
    client: TestClient, session: Session, state: DatasetState
) -> None:
    factories.dataset(session, state=state)

    refused(post_request(client, ["s-1"]), 409, "dataset-not-ready")
    assert stored(session) == NOTHING_STORED


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize(("regulation", "days"), [("gdpr", 31), ("ccpa", 45), ("none", None)])
def test_the_deadline_follows_the_regulation_from_the_day_of_receipt(
    client: TestClient, regulation: str, days: int | None
) -> None:
    received = datetime(2026, 1, 1, 12, tzinfo=UTC)

    request = accepted(
        client, ["s-1"], regulation=regulation, received_at="2026-01-01T13:00:00+01:00"
    )

    assert request["received_at"] == "2026-01-01T12:00:00Z"
    if days is None:
        assert (request["due_at"], request["days_left"], request["overdue"]) == (None, None, False)
    else:
        assert datetime.fromisoformat(request["due_at"]) == received + timedelta(days=days)


@pytest.mark.usefixtures("cnn")
def test_the_days_left_are_whole_days_and_negative_once_it_is_overdue(client: TestClient) -> None:
    now = datetime.now(UTC)

    def with_age(**age: float) -> dict[str, Any]:
        received = now - timedelta(**age)
        return accepted(client, ["s-1"], regulation="ccpa", received_at=received.isoformat())

    assert (with_age(days=0)["days_left"], with_age(days=0)["overdue"]) == (44, False)
    assert (with_age(days=44, hours=23)["days_left"], with_age(days=44)["overdue"]) == (0, False)
    assert (with_age(days=45, hours=1)["days_left"], with_age(days=46)["overdue"]) == (-1, True)


@pytest.mark.usefixtures("cnn")
def test_what_is_complete_is_not_overdue(client: TestClient) -> None:
    request = accepted(client, ["nobody"], received_at="2020-01-01T00:00:00Z")

    assert (request["overdue"], request["days_left"]) == (False, None)


@pytest.mark.usefixtures("cnn")
def test_a_request_cannot_have_been_received_tomorrow(client: TestClient) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    answer = post_request(client, ["s-1"], received_at=tomorrow.isoformat())

    refused(answer, 422, "received-in-future")


@pytest.mark.usefixtures("cnn")
def test_a_clock_that_is_a_little_fast_is_forgiven(client: TestClient) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)

    accepted(client, ["s-1"], received_at=soon.isoformat())


def test_an_unknown_request_is_not_found(client: TestClient) -> None:
    for path in ("", "/samples", "/events"):
        refused(client.get(f"{REQUESTS}/{uuid4()}{path}"), 404, "deletion-request-not-found")


@pytest.mark.parametrize("path", ["", "/samples", "/events"])
def test_a_request_id_that_is_no_uuid_is_refused(client: TestClient, path: str) -> None:
    refused(client.get(f"{REQUESTS}/17{path}"), 422, "validation")


@pytest.mark.usefixtures("cnn")
def test_a_request_without_a_moment_of_receipt_was_received_when_it_was_accepted(
    client: TestClient,
) -> None:
    for names in (["s-1"], ["nobody"]):
        request = accepted(client, names)
        assert request["received_at"] == request["accepted_at"]
