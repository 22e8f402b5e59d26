"""Lists take the same filters under the same names."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.tables import Dataset, DatasetState, JobState, Model, ModelState, VersionState
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched, refused


@pytest.fixture
def two_of_each(session: Session, digits: Dataset, cnn: Model) -> None:
    factories.dataset(session, "letters", state=DatasetState.INDEXING)
    other = factories.model(session, digits, "mlp")
    other.state = ModelState.INVALID
    first = factories.head(session, cnn)
    factories.job(session, cnn, first, tv=1, state=JobState.FAILED)
    factories.job(session, cnn, first, tv=2)
    factories.version(session, cnn, number=2, tv=1, state=VersionState.REJECTED)
    session.commit()


Name = Callable[[dict[str, Any]], Any]


@pytest.mark.usefixtures("two_of_each")
@pytest.mark.parametrize(
    ("path", "state", "name", "found"),
    [
        ("/v1/datasets", "ready", lambda row: row["name"], ["digits"]),
        ("/v1/models", "invalid", lambda row: row["name"], ["mlp"]),
        ("/v1/models/cnn/versions", "rejected", lambda row: row["version"], [2]),
        ("/v1/jobs", "failed", lambda row: row["tv"], [1]),
    ],
)
def test_every_list_is_filtered_by_state(
    client: TestClient, path: str, state: str, name: Name, found: list[Any]
) -> None:
    listed = fetched(client, path, state=state)["items"]

    assert [name(row) for row in listed] == found
    assert {row["state"] for row in listed} == {state}
    assert len(fetched(client, path)["items"]) == 2
    refused(client.get(path, params={"state": "lost"}), 422, "validation")


@pytest.mark.usefixtures("two_of_each")
@pytest.mark.parametrize("path", ["/v1/models", "/v1/jobs", REQUESTS])
def test_what_belongs_to_a_dataset_is_filtered_by_it(client: TestClient, path: str) -> None:
    accepted(client, ["s-1"])

    assert fetched(client, path, dataset="digits")["items"]
    assert fetched(client, path, dataset="letters")["items"] == []


@pytest.mark.usefixtures("cnn")
def test_a_request_has_its_state_under_both_names_and_is_found_by_both(client: TestClient) -> None:
    made = accepted(client, ["s-1"])
    assert made["state"] == made["status"] == "staged"

    for query in (
        {"state": "staged"},
        {"status": "staged"},
        {"state": "staged", "status": "staged"},
    ):
        assert [row["id"] for row in fetched(client, REQUESTS, **query)["items"]] == [made["id"]]
    assert fetched(client, REQUESTS, state="failed")["items"] == []
    two = {"state": "failed", "status": "staged"}
    problem = refused(client.get(REQUESTS, params=two), 422, "validation")
    assert problem["errors"][0]["field"] == "status"
