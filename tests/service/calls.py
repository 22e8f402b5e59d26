"""Calls that most tests of the API make."""

from typing import Any
from urllib.parse import urlsplit

from fastapi.testclient import TestClient
from httpx2 import Response

REQUESTS = "/v1/deletion-requests"


def post_request(
    client: TestClient,
    sample_ids: list[str],
    *,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Response:
    body = {"dataset": "digits", "sample_ids": sample_ids, **fields}
    return client.post(REQUESTS, json=body, headers=headers)


def accepted(client: TestClient, sample_ids: list[str], **fields: Any) -> dict[str, Any]:
    """What is answered to a deletion request that is accepted."""
    answer = post_request(client, sample_ids, **fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def fetched(client: TestClient, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def pages(client: TestClient, path: str, **query: Any) -> list[list[Any]]:
    """The items of every page of a list, by its cursors."""
    found, cursor = [], None
    while True:
        page = fetched(client, path, **query, **({"cursor": cursor} if cursor else {}))
        found.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer states, after a look at its form (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == urlsplit(str(answer.request.url)).path
    return problem
