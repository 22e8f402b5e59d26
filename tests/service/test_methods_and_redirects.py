"""What a path may be asked for by, and where answers send a caller."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.main import create_app
from tests import factories

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ID = "6f2f3f1e-9a56-4c8e-8a07-0a2c3f5b7d11"
PARTS = {
    "name": "digits",
    "number": "1",
    "alias": "champion",
    "path": "model.safetensors",
    "request_id": ID,
    "job_id": ID,
}
STRANGE = {"Host": "strange.example"}


def allowed_by(operations: dict[str, Any]) -> list[str]:
    methods = [method for method in METHODS if method.lower() in operations]
    return ["GET", "HEAD", *methods[1:]] if methods[0] == "GET" else methods


def test_every_path_names_the_methods_that_it_has(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "/v1/deletion-requests/{request_id}:cancel" in paths

    for pattern, operations in paths.items():
        path, allowed = pattern.format(**PARTS), allowed_by(operations)
        for method in set(METHODS) - set(allowed):
            answer = client.request(method, path)

            assert (answer.status_code, path) == (405, path), answer.text
            assert answer.headers["Allow"].split(", ") == allowed, path
            if method != "HEAD":
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/deletion-requests/{ID}:frobnicate",
        f"/v1/jobs/{ID}:",
        "/v1/models/digits:refresh",
        "/v1/models/digits/versions/1:publish",
        "/v1/deletion-requests/uploads:cancel:cancel",
    ],
)
def test_a_verb_that_is_not_known_is_at_no_path(client: TestClient, path: str) -> None:
    for method in ("GET", "POST"):
        assert client.request(method, path).status_code == 404


def test_what_begins_like_the_place_of_uploads_is_an_id(client: TestClient) -> None:
    assert client.get("/v1/deletion-requests/uploads-1").status_code == 422
    assert client.get("/v1/deletion-requests/uploads/events").status_code == 404


@pytest.mark.parametrize("path", ["/v1/datasets/", "/v1/deletion-requests/", "/livez/", "/docs/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_slash_too_many_is_no_redirect(client: TestClient, path: str, method: str) -> None:
    answer = client.request(method, path, headers=STRANGE, follow_redirects=False)

    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_no_answer_takes_the_word_of_the_host_header(client: TestClient, session: Session) -> None:
    factories.dataset(session)
    session.commit()
    body = {"dataset": "digits", "sample_ids": ["no-such"]}
    dataset = {
        "name": "other",
        "uri": "file:///data/*.parquet",
        "id_column": "sample_id",
        "inputs": [factories.PIXELS],
    }
    asked = [
        client.post("/v1/deletion-requests", json=body, headers=STRANGE),
        client.post("/v1/datasets", json=dataset, headers=STRANGE),
        client.get("/v1/deletion-requests", headers=STRANGE),
    ]

    for answer in asked:
        assert answer.status_code in (200, 202), answer.text
        assert "strange.example" not in answer.text + str(answer.headers)
    assert asked[1].headers["location"] == "/v1/datasets/other"


def test_a_path_that_a_proxy_puts_before_is_kept(
    settings: Any, admin_key: str, session: Session
) -> None:
    factories.dataset(session)
    session.commit()
    headers = {"Authorization": f"Bearer {admin_key}"}
    with TestClient(create_app(settings), headers=headers, root_path="/unlearning") as behind:
        body = {"dataset": "digits", "sample_ids": ["no-such"]}
        answer = behind.post("/v1/deletion-requests", json=body)

    assert answer.headers["location"].startswith("/unlearning/v1/deletion-requests/")
