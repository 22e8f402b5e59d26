"""Probes, and the description of the API."""

import socket
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core import schema
from service.core.settings import Settings
from service.main import create_app
from tests.service.calls import REQUESTS, post_request, refused

# What this release has of the design's list.
ROUTES = {
    "/v1/datasets": {"get", "post"},
    "/v1/datasets/{name}": {"get"},
    "/v1/datasets/{name}/tombstones": {"get"},
    "/v1/models": {"get", "post"},
    "/v1/models/{name}": {"get"},
    "/v1/models/{name}/versions": {"get"},
    "/v1/models/{name}/versions/{number}": {"get"},
    "/v1/models/{name}/versions/{number}/files/{path}": {"get"},
    "/v1/models/{name}/versions/{number}:approve": {"post"},
    "/v1/models/{name}/versions/{number}:reject": {"post"},
    "/v1/models/{name}/aliases": {"get"},
    "/v1/models/{name}/aliases/{alias}": {"get"},
    "/v1/deletion-requests": {"get", "post"},
    "/v1/deletion-requests/uploads": {"post"},
    "/v1/deletion-requests/{request_id}": {"get"},
    "/v1/deletion-requests/{request_id}/samples": {"get"},
    "/v1/deletion-requests/{request_id}/events": {"get"},
    "/v1/deletion-requests/{request_id}:cancel": {"post"},
    "/v1/deletion-requests/{request_id}:retry": {"post"},
    "/v1/jobs": {"get"},
    "/v1/jobs/{job_id}": {"get"},
    "/livez": {"get"},
    "/readyz": {"get"},
}


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def without_database(settings: Settings, closed_port: int, admin_key: str) -> Iterator[TestClient]:
    url = f"postgresql+psycopg://nobody:hunter2@127.0.0.1:{closed_port}/nothing"
    away = settings.model_copy(update={"database_url": url})
    headers = {"Authorization": f"Bearer {admin_key}"}
    with TestClient(create_app(away), headers=headers) as opened:
        yield opened


def test_the_service_is_alive_and_ready(client: TestClient) -> None:
    del client.headers["Authorization"]

    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_without_a_database_it_is_alive_and_not_ready(without_database: TestClient) -> None:
    assert without_database.get("/livez").status_code == 200
    refused(without_database.get("/readyz"), 503, "unavailable")


def test_without_a_database_callers_are_asked_to_come_again(without_database: TestClient) -> None:
    for answer in (
        without_database.get("/v1/datasets"),
        without_database.get(f"{REQUESTS}/00000000-0000-0000-0000-000000000000"),
        post_request(without_database, ["s-1"]),
    ):
        refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "hunter2" not in answer.text


def test_a_connection_that_was_cut_is_replaced(client: TestClient, session: Session) -> None:
    assert client.get("/readyz").status_code == 200
    session.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'unlearnd api'"
        )
    )

    assert client.get("/readyz").status_code == 200
    assert client.get("/v1/datasets").status_code == 200


def test_a_schema_that_is_behind_is_not_ready_until_it_is_migrated(
    settings: Settings, empty_database_url: str
) -> None:
    behind = settings.model_copy(update={"database_url": empty_database_url})

    with TestClient(create_app(behind)) as opened:
        problem = refused(opened.get("/readyz"), 503, "schema-behind")
        assert "unlearnd migrate" in problem["detail"]
        schema.upgrade(empty_database_url)
        assert opened.get("/readyz").status_code == 200


def test_the_description_lists_every_route(client: TestClient) -> None:
    described = client.get("/openapi.json").json()

    present = {path: set(methods) for path, methods in described["paths"].items()}
    missing = {path for path, methods in ROUTES.items() if not methods <= present.get(path, set())}
    assert missing == set()


def test_every_route_says_how_it_refuses(client: TestClient) -> None:
    described = client.get("/openapi.json").json()

    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1"):
                problem = operation["responses"]["401"]["content"]
                assert problem, (method, path)
                assert operation["summary"]


def test_the_documentation_answers(client: TestClient) -> None:
    answer = client.get("/docs")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
