"""`GET /v1/datasets/{name}/tombstones`: what no training may read."""

import json

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.orm import Session

from service.core.tables import DatasetState
from tests import factories
from tests.service.calls import accepted, refused

PATH = "/v1/datasets/digits/tombstones"


def lines(answer: Response) -> list[tuple[str, int]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.text == "" or answer.text.endswith("\n")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return [(row["sample_id"], row["tv"]) for row in rows]


@pytest.mark.usefixtures("digits")
def test_a_fresh_dataset_has_no_tombstones(client: TestClient) -> None:
    answer = client.get(PATH)

    assert lines(answer) == []
    assert answer.headers["tombstone-version"] == "0"


@pytest.mark.usefixtures("cnn")
def test_a_sample_is_exported_as_soon_as_its_request_is_accepted(client: TestClient) -> None:
    accepted(client, ["s-3", "s-1", "nobody"])
    accepted(client, ["s-1", "s-2"])

    answer = client.get(PATH)

    assert lines(answer) == [("s-1", 1), ("s-3", 1), ("s-2", 2)]
    assert answer.headers["tombstone-version"] == "2"


@pytest.mark.usefixtures("cnn")
def test_an_export_continues_where_the_last_one_ended(client: TestClient) -> None:
    accepted(client, ["s-1"])
    since = client.get(PATH).headers["tombstone-version"]
    accepted(client, ["s-2"])

    assert lines(client.get(PATH, params={"since": since})) == [("s-2", 2)]
    assert lines(client.get(PATH, params={"since": 2})) == []
    assert lines(client.get(PATH, params={"since": 99})) == []


@pytest.mark.usefixtures("digits")
def test_an_id_with_line_breaks_stays_one_line(client: TestClient, session: Session) -> None:
    factories.samples(session, ['a\nb\r\u2028"c', "ünï"])
    accepted(client, ['a\nb\r\u2028"c', "ünï"])

    text = client.get(PATH).text

    rows = [json.loads(line) for line in text.split("\n") if line]
    assert [row["sample_id"] for row in rows] == ['a\nb\r\u2028"c', "ünï"]


@pytest.mark.parametrize("state", [DatasetState.INDEXING, DatasetState.INVALID])
def test_a_dataset_that_is_not_ready_exports_nothing(
    client: TestClient, session: Session, state: DatasetState
) -> None:
    factories.dataset(session, state=state)

    refused(client.get(PATH), 409, "dataset-not-ready")


def test_an_unknown_dataset_is_refused(client: TestClient) -> None:
    refused(client.get(PATH), 404, "dataset-not-found")


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("since", ["-1", "x"])
def test_a_clock_that_cannot_be_is_refused(client: TestClient, since: str) -> None:
    refused(client.get(PATH, params={"since": since}), 422, "validation")


def kinds(answer: Response) -> list[tuple[str, str, int | None]]:
    assert answer.status_code == 200, answer.text
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return [(row["kind"], row["sample_id"], row["tv"]) for row in rows]


@pytest.mark.usefixtures("cnn")
def test_ids_that_were_not_found_are_exported_for_who_asks(client: TestClient) -> None:
    accepted(client, ["s-1", "later-b", "later-a", "later-a"])
    accepted(client, ["later-c"])

    answer = client.get(PATH, params={"include": "not_found"})

    told = kinds(answer)
    assert told[0] == ("tombstone", "s-1", 1)
    assert sorted(told[1:]) == [("not_found", f"later-{one}", None) for one in "abc"]
    assert answer.headers["tombstone-version"] == "1"
    assert lines(client.get(PATH)) == [("s-1", 1)]


@pytest.mark.usefixtures("cnn")
def test_ids_that_were_not_found_have_no_clock_to_be_behind(client: TestClient) -> None:
    accepted(client, ["s-1", "later"])

    answer = client.get(PATH, params={"include": "not_found", "since": 1})

    assert kinds(answer) == [("not_found", "later", None)]


@pytest.mark.usefixtures("cnn")
def test_ids_of_a_cancelled_request_are_not_exported(client: TestClient) -> None:
    kept = accepted(client, ["s-2", "later", "too"])
    taken_back = accepted(client, ["s-1", "later", "never"])

    client.post(f"/v1/deletion-requests/{taken_back['id']}:cancel")

    told = kinds(client.get(PATH, params={"include": "not_found"}))
    assert told[0] == ("tombstone", "s-2", kept["tv"])
    assert sorted(told[1:]) == [("not_found", "later", None), ("not_found", "too", None)]


@pytest.mark.usefixtures("cnn")
def test_the_export_of_ids_that_were_not_found_comes_in_pages(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.datasets.router.EXPORT_PAGE", 2)
    for number in range(3):
        accepted(client, [f"later-{number}-{place}" for place in range(3)])

    told = kinds(client.get(PATH, params={"include": "not_found"}))

    assert sorted(sample_id for _, sample_id, _ in told) == [
        f"later-{number}-{place}" for number in range(3) for place in range(3)
    ]


@pytest.mark.usefixtures("digits")
def test_what_else_is_to_be_included_is_refused(client: TestClient) -> None:
    refused(client.get(PATH, params={"include": "everything"}), 422, "validation")
