"""`POST /v1/deletion-requests/uploads`: as many IDs as one likes, as text."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import DatasetState
from service.deletion_requests.service import NOTHING_KNOWN, NOTHING_NEW
from service.main import create_app
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched, pages, post_request, refused
from tests.service.racing import at_once
from tests.service.test_accepting_requests import NOTHING_STORED, dispositions, stored
from tests.service.test_hostile_requests import IDS

UPLOADS = f"{REQUESTS}/uploads"
TEXT = {"Content-Type": "text/plain"}


def upload(
    client: TestClient,
    *lines: str,
    headers: dict[str, str] | None = None,
    dataset: str = "digits",
    **query: Any,
) -> Response:
    body = "".join(f"{line}\n" for line in lines).encode()
    return client.post(
        UPLOADS, content=body, params={"dataset": dataset, **query}, headers=TEXT | (headers or {})
    )


def uploaded(client: TestClient, *lines: str, **query: Any) -> dict[str, Any]:
    answer = upload(client, *lines, **query)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("cnn")
def test_an_upload_is_accepted_and_polled_like_any_request(client: TestClient) -> None:
    answer = upload(client, "s-1", "s-2", client_reference="ticket-7", regulation="ccpa")

    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) >= 1
    shown = answer.json()
    assert answer.headers["location"] == f"{REQUESTS}/{shown['id']}"
    assert (shown["status"], shown["tv"]) == ("staged", 1)
    assert (shown["client_reference"], shown["regulation"]) == ("ticket-7", "ccpa")
    assert fetched(client, shown["links"]["self"]) == shown
    assert fetched(client, "/v1/datasets/digits")["tv"] == 1


@pytest.mark.usefixtures("cnn")
def test_an_upload_gives_each_id_what_the_same_ids_in_json_get(
    client: TestClient, session: Session
) -> None:
    given = ["s-2", "nobody", "s-1", "s-2", "s-9", "nobody", "s-2"]
    factories.model(session, factories.dataset(session, "twin"), "other")
    for name in ("digits", "twin"):
        accepted(client, ["s-9"], dataset=name)

    as_json = accepted(client, given)
    as_text = uploaded(client, *given, dataset="twin")

    assert as_text["counts"] == as_json["counts"]
    assert as_text["counts"]["duplicate"] == 3
    assert dispositions(client, as_text) == dispositions(client, as_json)


@pytest.mark.usefixtures("cnn")
def test_an_id_is_an_opaque_string_and_comes_back_as_it_was(
    client: TestClient, session: Session
) -> None:
    ids = [one for one in IDS if "\n" not in one and one[0] != "\ufeff"]
    ids += ["a\tb", "\\", "\\.", "\\t", "a\\", " s", "s ", "\x0b\x0c\x08", "\u2028", "\x85"]
    factories.samples(session, ids)

    request = uploaded(client, *ids)

    items = fetched(client, request["links"]["samples"])["items"]
    assert [item["sample_id"] for item in items] == ids
    assert {item["disposition"] for item in items} == {"staged"}


def test_more_ids_than_json_may_hold_keep_their_order(client: TestClient, session: Session) -> None:
    factories.model(session, factories.dataset(session, rows=60_000), max_fraction=1)
    ids = [f"s-{n * 7 % 60_000}" for n in range(12_000)]

    request = uploaded(client, *ids)

    assert request["counts"]["staged"] == request["counts"]["total"] == 12_000
    listed = [item for page in pages(client, request["links"]["samples"]) for item in page]
    assert [item["sample_id"] for item in listed] == ids
    assert [item["position"] for item in listed] == list(range(12_000))


@pytest.mark.usefixtures("cnn")
def test_an_upload_with_nothing_to_do_says_so(client: TestClient) -> None:
    unknown = uploaded(client, "nobody")
    uploaded(client, "s-1")
    again = uploaded(client, "s-1")

    assert (unknown["status"], unknown["detail"]) == ("completed", NOTHING_KNOWN)
    assert (again["status"], again["detail"]) == ("staged", NOTHING_NEW)


@pytest.mark.usefixtures("cnn")
def test_an_upload_cannot_delete_too_large_a_share(client: TestClient, session: Session) -> None:
    refused(upload(client, *(f"s-{n}" for n in range(31))), 422, "too-large-a-share")
    assert stored(session) == NOTHING_STORED


@pytest.mark.usefixtures("cnn")
def test_a_bad_line_refuses_all_of_the_upload(client: TestClient, session: Session) -> None:
    answer = upload(client, "s-1", "sid-SECRET\x00")

    problem = refused(answer, 422, "invalid-upload")
    assert problem["line"] == 2
    assert "sid-SECRET" not in answer.text
    assert stored(session) == NOTHING_STORED


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "dataset"),
        ({"dataset": "../x"}, "dataset"),
        ({"dataset": "d", "regulation": "hipaa"}, "regulation"),
        ({"dataset": "d", "received_at": "yesterday"}, "received_at"),
        ({"dataset": "d", "client_reference": "x" * 256}, "client_reference"),
        ({"dataset": "d", "sid-SECRET": "1"}, "(unknown)"),
    ],
)
def test_a_wrong_parameter_is_named(client: TestClient, query: dict[str, str], field: str) -> None:
    answer = client.post(UPLOADS, content=b"s-1\n", params=query, headers=TEXT)

    problem = refused(answer, 422, "validation")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert "sid-SECRET" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain; charset=latin-1"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "identity, br"},
    ],
)
@pytest.mark.usefixtures("cnn")
def test_what_is_no_plain_text_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    refused(upload(client, "s-1", headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain; charset=UTF-8"},
        {"Content-Type": 'TEXT/PLAIN; charset="utf-8"; format=flowed'},
        {"Content-Encoding": "identity"},
    ],
)
@pytest.mark.usefixtures("cnn")
def test_plain_text_may_be_said_in_several_ways(
    client: TestClient, headers: dict[str, str]
) -> None:
    uploaded(client, "s-1", headers=headers)


def test_an_unknown_dataset_and_one_that_is_not_ready_are_refused(
    client: TestClient, session: Session
) -> None:
    factories.dataset(session, "young", state=DatasetState.INDEXING)

    refused(upload(client, "s-1"), 404, "dataset-not-found")
    refused(upload(client, "s-1", dataset="young"), 409, "dataset-not-ready")


def test_a_stranger_is_told_only_that(client: TestClient) -> None:
    del client.headers["Authorization"]

    for answer in (
        client.post(UPLOADS, content=b"\xff"),
        client.post(UPLOADS, headers={"Content-Encoding": "gzip"}),
        client.post(UPLOADS, headers={"Authorization": "Bearer x"}, params={"dataset": "d"}),
    ):
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.usefixtures("cnn")
def test_the_same_key_and_lines_give_the_same_answer(client: TestClient, session: Session) -> None:
    key = {"Idempotency-Key": "a"}
    first = upload(client, "s-1", "s-2", headers=key)

    second = client.post(
        UPLOADS, content=b"s-1\r\ns-2", params={"dataset": "digits"}, headers=TEXT | key
    )

    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"
    assert stored(session)[0] == 1
    for other in (
        upload(client, "s-2", "s-1", headers=key),
        upload(client, "s-1", "s-2", headers=key, regulation="ccpa"),
        post_request(client, ["s-1", "s-2"], headers=key),
    ):
        refused(other, 422, "idempotency-key-reused")


@pytest.mark.usefixtures("cnn")
def test_uploads_at_once_with_one_key_make_one_request(
    client: TestClient, session: Session
) -> None:
    key = {"Idempotency-Key": "a"}

    answers = at_once(8, lambda _number: upload(client, "s-1", "s-2", headers=key))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert stored(session)[0] == 1


def test_overlapping_uploads_at_once_share_out_their_samples(
    client: TestClient, session: Session
) -> None:
    factories.model(session, factories.dataset(session, rows=4000), max_fraction=1)

    answers = at_once(
        4, lambda number: upload(client, *(f"s-{n}" for n in range(number * 200, 1000)))
    )

    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["counts"]["staged"] for answer in answers) == 1000
    assert stored(session)[2] == 1000


@pytest.mark.usefixtures("cnn")
def test_an_upload_may_be_as_long_as_the_operator_says(
    client: TestClient, settings: Settings, session: Session
) -> None:
    narrow = settings.model_copy(update={"max_upload_bytes": 1024})

    with TestClient(create_app(narrow), headers=dict(client.headers)) as other:
        uploaded(other, *(f"n-{n:05}" for n in range(128)))
        before = stored(session)
        refused(upload(other, *(f"n-{n:05}" for n in range(129))), 413, "body-too-large")
    assert stored(session) == before
