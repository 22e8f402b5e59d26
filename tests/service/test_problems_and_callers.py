"""Who may call, and what every refusal looks like."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import keys
from service.core.tables import APIKey
from tests.service.calls import REQUESTS, refused

NOBODY = "00000000-0000-0000-0000-000000000000"


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of everything under `/v1`, with names filled in."""
    names = {
        "{name}": "nobody",
        "{alias}": "nobody",
        "{number}": "1",
        "{path}": "x",
        "{request_id}": NOBODY,
        "{job_id}": NOBODY,
    }
    found = []
    for path, methods in app.openapi()["paths"].items():
        for placeholder, value in names.items():
            path = path.replace(placeholder, value)
        if path.startswith("/v1"):
            found += [(method, path) for method in methods]
    return found


def test_every_route_needs_a_key(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    del client.headers["Authorization"]

    for method, path in every_route(client.app):
        answer = client.request(method, path)
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.fixture
def revoked(session: Session) -> str:
    key = keys.create("revoked")
    key.row.revoked_at = session.scalars(select(func.now())).one()
    session.add(key.row)
    session.commit()
    return key.text


@pytest.fixture
def wrong_keys(revoked: str, admin_key: str) -> list[str]:
    body = admin_key.rpartition("_")[0]
    secret = body.rpartition("_")[2]
    other = body.replace(secret, secret[::-1])
    return [
        f"Bearer {revoked}",
        f"Bearer {keys.create('never stored').text}",
        f"Bearer {other}_{keys.checksum(other)}",
        f"Bearer {body}_00000000",
        "Bearer x",
        "Bearer ",
        f"Basic {admin_key}",
        admin_key,
    ]


def test_a_wrong_key_is_refused_and_not_repeated(client: TestClient, wrong_keys: list[str]) -> None:
    for given in wrong_keys:
        answer = client.get("/v1/datasets", headers={"Authorization": given})
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert len(given) < 10 or given.removeprefix("Bearer ") not in answer.text


def test_a_key_works_until_it_is_revoked(client: TestClient, session: Session) -> None:
    assert client.get("/v1/datasets").status_code == 200
    session.scalars(select(APIKey)).one().revoked_at = session.scalars(select(func.now())).one()
    session.commit()

    refused(client.get("/v1/datasets"), 401, "unauthorized")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
        ("GET", "/v2/datasets", 404, "not-found"),
        ("PUT", "/v1/datasets", 405, "method-not-allowed"),
        ("DELETE", REQUESTS, 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("GET", "/v1/datasets/nobody", 404, "dataset-not-found"),
        ("GET", "/v1/models/nobody", 404, "model-not-found"),
        ("GET", f"{REQUESTS}/{NOBODY}", 404, "deletion-request-not-found"),
        ("GET", f"{REQUESTS}/17", 422, "validation"),
        ("GET", f"{REQUESTS}?cursor=x", 422, "cursor"),
        ("GET", "/v1/jobs/17", 422, "validation"),
        ("GET", f"/v1/jobs/{NOBODY}", 404, "job-not-found"),
        ("GET", "/v1/jobs?state=lost", 422, "validation"),
        ("POST", "/v1/models", 422, "validation"),
        ("POST", "/v1/datasets", 422, "validation"),
    ],
)
def test_every_refusal_is_a_problem_of_rfc_9457(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    refused(client.request(method, path), status, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", REQUESTS, ["GET", "HEAD", "POST"]),
        ("DELETE", "/v1/datasets", ["GET", "HEAD", "POST"]),
        ("POST", f"{REQUESTS}/{NOBODY}", ["GET", "HEAD"]),
        ("POST", "/readyz", ["GET", "HEAD"]),
        ("PUT", "/v1/models/x/versions/1:approve", ["POST"]),
    ],
)
def test_a_refused_method_names_the_allowed_ones(
    client: TestClient, method: str, path: str, allowed: list[str]
) -> None:
    answer = client.request(method, path)

    refused(answer, 405, "method-not-allowed")
    assert answer.headers["allow"].split(", ") == allowed
