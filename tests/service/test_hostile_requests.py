"""`POST /v1/deletion-requests` with IDs of every kind, and with what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.main import create_app
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched, post_request, refused

SECRET = "sid-SECRET-77"
JSON = {"Content-Type": "application/json"}
IDS = [
    "plain",
    " ",
    " leading and trailing ",
    'it\'s "quoted"; DROP TABLE tombstones; --',
    "back\\slash {curly} %s $1 :name",
    "line\nbreak\r\n\ttab",
    "NULL",
    "\\N",
    "{a,b}",
    "ünïcödé",
    "u\u0308nico\u0308de",
    "日本語",
    "\U0001f600",
    "\u202eright to left",
    "\ufeffbom",
    "\x01\x7f",
    "x" * 255,
    "é" * 255,
    "\U0001f600" * 255,
]


@pytest.mark.usefixtures("cnn")
def test_an_id_is_an_opaque_string_and_comes_back_as_it_was(
    client: TestClient, session: Session
) -> None:
    factories.samples(session, IDS)

    request = accepted(client, [*IDS, "PLAIN", "plain "])

    assert request["counts"]["staged"] == len(IDS)
    items = fetched(client, request["links"]["samples"])["items"]
    assert [item["sample_id"] for item in items] == [*IDS, "PLAIN", "plain "]
    assert {item["disposition"] for item in items[: len(IDS)]} == {"staged"}
    assert {item["disposition"] for item in items[len(IDS) :]} == {"not_found"}


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param('""', id="empty"),
        pytest.param(f'"{SECRET}{"x" * 243}"', id="256 characters"),
        pytest.param(f'"{SECRET}\\u0000"', id="NUL"),
        pytest.param(f'"{SECRET}\\ud800"', id="half of a surrogate pair"),
        pytest.param(f'"\\udc00{SECRET}"', id="the other half"),
        pytest.param("17", id="number"),
        pytest.param("null", id="null"),
        pytest.param(f'["{SECRET}"]', id="list"),
        pytest.param(f'{{"id": "{SECRET}"}}', id="object"),
    ],
)
def test_a_bad_id_refuses_the_request_and_is_not_repeated(client: TestClient, bad: str) -> None:
    body = f'{{"dataset": "digits", "sample_ids": ["s-1", {bad}]}}'

    answer = client.post(REQUESTS, content=body, headers=JSON)

    problem = refused(answer, 422, "validation")
    assert [error["field"] for error in problem["errors"]] == ["sample_ids.1"]
    assert SECRET not in answer.text
    assert fetched(client, REQUESTS)["items"] == []


@pytest.mark.usefixtures("cnn")
def test_a_request_may_have_10_000_ids_of_255_characters_and_not_one_more(
    client: TestClient,
) -> None:
    ids = [f"{n:0255}" for n in range(10_001)]

    request = accepted(client, ids[:10_000])
    answer = post_request(client, ids)

    assert request["counts"]["not_found"] == 10_000
    problem = refused(answer, 422, "validation")
    assert [error["field"] for error in problem["errors"]] == ["sample_ids"]


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sample_ids": []}, "sample_ids"),
        ({"sample_ids": None}, "sample_ids"),
        ({"sample_ids": SECRET}, "sample_ids"),
        ({"dataset": ""}, "dataset"),
        ({"dataset": "../x"}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"callback_url": "https://example.org/hook"}, "callback_url"),
        ({"regulation": "hipaa"}, "regulation"),
        ({"received_at": "2026-01-01T00:00:00"}, "received_at"),
        ({"received_at": "yesterday"}, "received_at"),
        ({"received_at": "2026-02-30T00:00:00Z"}, "received_at"),
        ({"client_reference": ""}, "client_reference"),
        ({"client_reference": "x" * 256}, "client_reference"),
        ({"client_reference": "a\x00b"}, "client_reference"),
        ({"received_at": 1_700_000_000}, "received_at"),
        ({"received_at": 1_700_000_000.5}, "received_at"),
        ({"received_at": "1700000000"}, "received_at"),
        ({"received_at": "2026-01-01"}, "received_at"),
        ({"received_at": True}, "received_at"),
        ({"priority": 1}, "(unknown)"),
        ({SECRET: 1}, "(unknown)"),
    ],
)
def test_a_body_of_the_wrong_form_is_refused_by_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    body = {"dataset": "digits", "sample_ids": ["s-1"], **change}

    answer = client.post(REQUESTS, json=body)

    problem = refused(answer, 422, "validation")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "validation"),
        (b"{", 422, "validation"),
        (b"[]", 422, "validation"),
        (f'{{"sample_ids": ["{SECRET}"'.encode(), 422, "validation"),
        (b'{"dataset": "\xff"}', 400, "bad-request"),
        (b"9" * 10_000, 400, "bad-request"),
    ],
)
def test_what_is_no_json_is_refused(
    client: TestClient, body: bytes, status: int, code: str
) -> None:
    answer = client.post(REQUESTS, content=body, headers=JSON)

    refused(answer, status, code)
    assert SECRET not in answer.text


def test_an_unknown_field_is_named_by_its_parent_only(client: TestClient) -> None:
    model = {
        "name": "cnn",
        "dataset": "digits",
        "source_uri": "file:///x",
        "architecture": {"kind": "module", "factory": "workers.zoo:digits_cnn", SECRET: 1},
        "policy": {SECRET: 1, "max_fraction": 7},
    }

    answer = client.post("/v1/models", json=model)

    problem = refused(answer, 422, "validation")
    assert {error["field"] for error in problem["errors"]} == {
        "architecture.(unknown)",
        "policy.(unknown)",
        "policy.max_fraction",
    }
    assert SECRET not in answer.text


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000])
def test_json_that_is_nested_very_deeply_is_refused_as_such(
    client: TestClient, body: bytes
) -> None:
    problem = refused(client.post(REQUESTS, content=body, headers=JSON), 400, "bad-request")

    assert "nested too deeply" in problem["detail"]


@pytest.mark.parametrize("depth", [64, 300, 900])
def test_arguments_of_a_factory_are_nested_within_reason(client: TestClient, depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    body = b"""{"name": "cnn", "dataset": "digits", "source_uri": "file:///x",
        "architecture": {"kind": "module", "factory": "workers.zoo:digits_cnn", "kwargs": %b}}"""

    answer = client.post("/v1/models", content=body % nested, headers=JSON)

    if depth == 64:
        refused(answer, 404, "dataset-not-found")
    else:
        problem = refused(answer, 422, "validation")
        assert "architecture.kwargs: Value error, must not be nested more" in problem["detail"]


def test_many_bad_fields_are_counted_and_the_first_hundred_are_named(client: TestClient) -> None:
    problem = refused(post_request(client, [""] * 150), 422, "validation")

    assert len(problem["errors"]) == 100
    assert "149 more" in problem["detail"]


@pytest.fixture
def small(settings: Settings, client: TestClient) -> Iterator[TestClient]:
    """The API with room for bodies of 2000 bytes."""
    limited = settings.model_copy(update={"max_body_bytes": 2000})
    with TestClient(create_app(limited), headers=dict(client.headers)) as opened:
        yield opened


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_however_it_is_sent(
    small: TestClient, chunked: bool
) -> None:
    body = b'{"dataset": "digits", "sample_ids": ["' + b"x" * 2000 + b'"]}'
    parts = iter([body[:1500], body[1500:]])

    answer = small.post(REQUESTS, content=parts if chunked else body, headers=JSON)

    assert ("content-length" in answer.request.headers) is not chunked
    problem = refused(answer, 413, "body-too-large")
    assert "2000" in problem["detail"]


@pytest.mark.usefixtures("digits")
def test_a_body_up_to_the_limit_is_read(small: TestClient) -> None:
    body = b'{"dataset": "digits", "sample_ids": ["s-1"]}'
    padded = body + b" " * (2000 - len(body))

    assert small.post(REQUESTS, content=padded, headers=JSON).status_code == 202
    assert small.post(REQUESTS, content=padded + b" ", headers=JSON).status_code == 413
