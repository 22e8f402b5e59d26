"""HEAD: what a GET says, without its body."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.tables import Dataset
from service.datasets import queries
from tests.service.calls import REQUESTS, accepted


@pytest.mark.usefixtures("cnn")
def test_head_answers_like_get_without_a_body(client: TestClient) -> None:
    request = accepted(client, ["s-1"])
    paths = [
        "/livez",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/v1/datasets",
        "/v1/datasets/digits",
        "/v1/datasets/digits/tombstones",
        "/v1/datasets/nobody",
        "/v1/models/cnn",
        REQUESTS,
        request["links"]["self"],
        request["links"]["samples"],
        f"{REQUESTS}/17",
    ]
    for path in paths:
        got, head = client.get(path), client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        assert head.headers == got.headers, path


def test_head_does_not_read_a_whole_export(
    client: TestClient, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[tuple[int, str]] = []
    read = queries.tombstones_after

    def counted(session: Session, dataset_id: int, place: tuple[int, str], **how: int) -> object:
        pages.append(place)
        return read(session, dataset_id, place, upto=how["upto"], limit=how["limit"])

    monkeypatch.setattr(queries, "tombstones_after", counted)
    monkeypatch.setattr("service.datasets.router.EXPORT_PAGE", 2)
    accepted(client, [f"s-{n}" for n in range(9)])
    assert len(client.get(f"/v1/datasets/{digits.name}/tombstones").text.splitlines()) == 9
    assert len(pages) == 5
    pages.clear()

    assert client.head("/v1/datasets/digits/tombstones").headers["tombstone-version"] == "1"

    assert len(pages) == 1


@pytest.mark.usefixtures("digits")
def test_head_changes_nothing_where_there_is_no_get(client: TestClient) -> None:
    answer = client.head("/v1/models/cnn/versions/1:approve/x")

    assert (answer.status_code, answer.content) == (404, b"")
