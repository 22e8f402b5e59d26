"""What a query may hold: the parameters that a route knows, each of them once."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient

from service.api import problems
from service.api.strict import StrictRoute
from tests.service.calls import REQUESTS, refused

ID = "00000000-0000-0000-0000-000000000000"
PARTS = {"name": "digits", "number": 1, "path": "x", "alias": "champion", "request_id": ID}


def operations(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of everything that OpenAPI lists."""
    described = client.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.format(**PARTS, job_id=ID), operation


def queries_of(operation: dict[str, Any]) -> list[str]:
    return [given["name"] for given in operation.get("parameters", ()) if given["in"] == "query"]


def test_every_route_refuses_an_unknown_parameter_and_names_the_known_ones(
    client: TestClient,
) -> None:
    for method, path, operation in operations(client):
        answer = client.request(method, path, params={"stat": "ready"})

        problem = refused(answer, 422, "validation")
        (error,) = problem["errors"]
        assert error["field"] == "stat", (method, path)
        for known in queries_of(operation):
            assert known in error["message"], (method, path)


def test_every_parameter_is_taken_once_only(client: TestClient) -> None:
    seen = 0
    for method, path, operation in operations(client):
        for name in queries_of(operation):
            answer = client.request(method, f"{path}?{name}=1&{name}=1")

            problem = refused(answer, 422, "validation")
            assert [error["field"] for error in problem["errors"]] == [name], (method, path)
            seen += 1
    assert seen > 20


def test_a_stranger_is_told_that_and_not_what_is_wrong_with_a_query(client: TestClient) -> None:
    headers = {"Authorization": "Bearer nobody"}
    for method, path, operation in operations(client):
        if "security" in operation:
            answer = client.request(method, path, params={"stat": "x"}, headers=headers)
            refused(answer, 401, "unauthorized")


@pytest.mark.parametrize("name", ["sid-SECRET-77", "7f3a", "SECRET" * 20, ""])
def test_a_name_that_may_be_an_id_is_not_repeated(client: TestClient, name: str) -> None:
    problem = refused(client.get(REQUESTS, params={name: "1"}), 422, "validation")

    assert problem["errors"][0]["field"] == "(unknown)"
    assert "SECRET" not in str(problem)


def test_a_parameter_that_is_a_list_may_come_again() -> None:
    app = FastAPI()
    app.router.route_class = StrictRoute
    problems.install(app)

    @app.get("/")
    def read(kinds: Annotated[list[str] | None, Query()] = None, limit: int = 1) -> list[str]:
        return [*(kinds or []), str(limit)]

    with TestClient(app) as opened:
        assert opened.get("/?kinds=a&kinds=b").json() == ["a", "b", "1"]
        assert opened.get("/?kinds=a&limit=1&limit=1").status_code == 422
