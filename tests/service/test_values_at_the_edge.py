"""Values that JSON allows and a database does not: refused, and never a fault of ours."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests import factories
from tests.service import calls

DATASET = (
    '{"name": "a", "uri": "file:///x", "id_column": "i", '
    '"inputs": [{"column": "p", "kind": "array", "shape": [1], "scale": %s}]}'
)
MODEL = (
    '{"name": "a", "dataset": "digits", "source_uri": "file:///x", "architecture": '
    '{"kind": "module", "factory": "workers.zoo:f", "kwargs": {"deep": [{"a": %s}]}}%s}'
)
REQUEST = '{"dataset": "digits", "sample_ids": ["s-1"], "received_at": %s}'

BODIES = [
    ("/v1/datasets", DATASET % "NaN"),
    ("/v1/datasets", DATASET % "1e999"),
    ("/v1/models", MODEL % ("NaN", "")),
    ("/v1/models", MODEL % (r'"\u0000"', "")),
    ("/v1/models", MODEL % (r'"\ud800"', "")),
    ("/v1/models", MODEL % ("1", ', "method_parameters": {"x": -Infinity}')),
    ("/v1/models", MODEL % ("1", ', "policy": {"retention_days": 1e999}')),
    ("/v1/models", MODEL % ("1", ', "policy": {"batch_window_seconds": 1e300}')),
    ("/v1/models", MODEL % ("1", ', "policy": {"min_agreement": NaN}')),
    ("/v1/deletion-requests", REQUEST % '"0001-01-01T00:00:00+10:00"'),
    ("/v1/deletion-requests", REQUEST % '"9999-12-31T23:59:59-10:00"'),
    ("/v1/deletion-requests", REQUEST % "-62135596800"),
]


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_bodies(client: TestClient, session: Session, path: str, body: str) -> None:
    factories.model(session, factories.dataset(session))

    refused = client.post(path, content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/deletion-requests?dataset=%00",
        "/v1/deletion-requests?client_reference=%00",
        "/v1/jobs?model=%00",
        "/v1/datasets/%00",
        "/v1/models/%00",
        "/v1/models/cnn/aliases/%00",
        "/v1/models/cnn/versions/99999999999999999999",
        "/v1/datasets/digits/tombstones?since=9223372036854775808",
        f"/v1/datasets?cursor={'9' * 19}",
        f"/v1/models/cnn/versions?cursor={'9' * 19}",
        "/v1/datasets?cursor=²",
        f"/v1/models?cursor={'0' * 20}{'9' * 20}",
        f"/v1/datasets?cursor={'9' * 5000}",
    ],
)
def test_paths_and_queries(client: TestClient, session: Session, path: str) -> None:
    factories.model(session, factories.dataset(session))

    refused = client.get(path)

    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("part", ["samples", "events"])
@pytest.mark.parametrize("number", ["0" * 20 + "9" * 20, "9" * 40, str(2**63)])
def test_cursors_of_a_request(client: TestClient, session: Session, part: str, number: str) -> None:
    factories.dataset(session)
    request = factories.request(session, ["s-1"])

    page = f"/v1/deletion-requests/{request.id}/{part}?cursor={number}"

    calls.refused(client.get(page), 422, "cursor")


def test_json_that_is_nested_too_deep_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/deletion-requests", content="[" * 10_000)

    assert refused.status_code in (400, 422)
    assert refused.headers["content-type"] == "application/problem+json"


def test_the_largest_since_is_an_empty_export(client: TestClient, session: Session) -> None:
    factories.dataset(session)

    assert client.get(f"/v1/datasets/digits/tombstones?since={2**63 - 1}").text == ""
