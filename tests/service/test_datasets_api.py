"""`/v1/datasets`."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.tables import Dataset, DatasetState, Event
from tests import factories
from tests.service.calls import fetched, pages, refused

PATH = "/v1/datasets"
ORDER: dict[str, Any] = {
    "name": "fashion",
    "uri": "file:///data/fashion/train/*.parquet",
    "holdout_uri": "file:///data/fashion/holdout/*.parquet",
    "id_column": "sample_id",
    "label_column": "label",
    "inputs": [{"column": "pixels", "kind": "array", "shape": [1, 28, 28], "scale": 0.5}],
}

PHOTO = {"column": "photo", "kind": "image"}
REVIEW = {"column": "review", "kind": "text"}
ANSWER = {"column": "answer", "kind": "text"}
SOUND: dict[str, Any] = {"column": "sound", "kind": "audio", "sampling_rate": 16000}


def test_a_dataset_is_accepted_and_watched_at_its_location(client: TestClient) -> None:
    answer = client.post(PATH, json=ORDER)

    assert answer.status_code == 202
    assert answer.headers["location"] == "/v1/datasets/fashion"
    assert int(answer.headers["retry-after"]) >= 1
    shown = answer.json()
    assert {name: shown[name] for name in ORDER} == ORDER
    assert (shown["state"], shown["tv"], shown["rows"]) == ("indexing", 0, None)
    assert fetched(client, answer.headers["location"]) == shown


def test_the_smallest_order_is_enough(client: TestClient) -> None:
    order = {name: ORDER[name] for name in ("name", "uri", "id_column")}
    order["inputs"] = [{"column": "pixels", "kind": "array", "shape": [4]}]

    answer = client.post(PATH, json=order)

    assert answer.status_code == 202
    assert answer.json()["holdout_uri"] is None


@pytest.mark.parametrize(
    "inputs", [[PHOTO], [REVIEW], [SOUND], [PHOTO, REVIEW, SOUND], [REVIEW, ANSWER]]
)
def test_images_texts_and_sounds_are_inputs_and_go_together(
    client: TestClient, inputs: list[dict[str, Any]]
) -> None:
    answer = client.post(PATH, json={**ORDER, "inputs": inputs})

    assert answer.status_code == 202
    assert fetched(client, f"{PATH}/fashion")["inputs"] == inputs


def test_an_unknown_kind_is_not_quoted(client: TestClient) -> None:
    order = {**ORDER, "inputs": [{"column": "p", "kind": "patient-17"}]}

    answer = client.post(PATH, json=order)

    refused(answer, 422, "validation")
    assert "patient-17" not in answer.text


def test_registering_is_recorded(client: TestClient, session: Session) -> None:
    client.post(PATH, json=ORDER)

    assert session.scalars(select(Event.kind)).all() == ["dataset.registered"]


@pytest.mark.parametrize("state", [DatasetState.INDEXING, DatasetState.READY])
def test_a_name_is_taken_only_once(
    client: TestClient, session: Session, state: DatasetState
) -> None:
    factories.dataset(session, "fashion", state=state)

    refused(client.post(PATH, json=ORDER), 409, "dataset-exists")


def test_an_invalid_dataset_is_replaced(client: TestClient, session: Session) -> None:
    client.post(PATH, json=ORDER)
    broken = session.scalars(select(Dataset)).one()
    broken.move_to(DatasetState.INVALID)
    broken.reason = "Row 3 has no ID."
    session.commit()
    assert fetched(client, f"{PATH}/fashion")["reason"] == "Row 3 has no ID."

    answer = client.post(PATH, json={**ORDER, "id_column": "key"})

    assert answer.status_code == 202
    shown = fetched(client, f"{PATH}/fashion")
    assert (shown["state"], shown["reason"], shown["id_column"]) == ("indexing", None, "key")
    assert len(fetched(client, PATH)["items"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "(unknown)"),
        ({"name": ""}, "name"),
        ({"name": "../etc"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"uri": ""}, "uri"),
        ({"uri": "file:///\x00"}, "uri"),
        ({"uri": None}, "uri"),
        ({"id_column": "pixels"}, "body"),
        ({"label_column": "sample_id"}, "body"),
        ({"inputs": []}, "inputs"),
        ({"inputs": ORDER["inputs"] * 2}, "inputs"),
        ({"inputs": [{"column": "p", "kind": "array", "shape": []}]}, "inputs.0.shape"),
        ({"inputs": [{"column": "p", "kind": "array", "shape": [0]}]}, "inputs.0.shape.0"),
        ({"inputs": [{"column": "p", "kind": "array", "shape": [2**20, 2**20]}]}, "inputs.0.shape"),
        ({"inputs": [{"column": "p", "kind": "video"}]}, "inputs.0.kind"),
        ({"inputs": [{"column": "p"}]}, "inputs.0.kind"),
        ({"inputs": ["p"]}, "inputs.0"),
        ({"inputs": [{"kind": "image"}]}, "inputs.0.column"),
        ({"inputs": [{"column": "p", "kind": "text", "shape": [1]}]}, "inputs.0.(unknown)"),
        ({"inputs": [{"column": "p", "kind": "audio"}]}, "inputs.0.sampling_rate"),
        ({"inputs": [{**SOUND, "sampling_rate": 0}]}, "inputs.0.sampling_rate"),
        ({"inputs": [{**SOUND, "sampling_rate": 10**9}]}, "inputs.0.sampling_rate"),
        ({"inputs": [PHOTO, {**PHOTO, "column": "other"}]}, "inputs"),
        ({"inputs": [PHOTO, ORDER["inputs"][0]]}, "inputs"),
        ({"inputs": [PHOTO, REVIEW, ANSWER]}, "inputs"),
        ({"inputs": [PHOTO, {**REVIEW, "column": "photo"}]}, "body"),
        ({"inputs": [REVIEW], "label_column": "review"}, "body"),
        ({"inputs": [{**ORDER["inputs"][0], "dtype": "f4"}]}, "inputs.0.(unknown)"),
        ({"tv": 3}, "(unknown)"),
    ],
)
def test_an_order_of_the_wrong_form_is_refused_by_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    problem = refused(client.post(PATH, json={**ORDER, **change}), 422, "validation")

    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_missing_field_is_named(client: TestClient) -> None:
    order = {name: value for name, value in ORDER.items() if name != "uri"}

    problem = refused(client.post(PATH, json=order), 422, "validation")

    assert problem["errors"] == [{"field": "uri", "message": "Field required"}]


def test_an_unknown_dataset_is_not_found(client: TestClient) -> None:
    refused(client.get(f"{PATH}/nobody"), 404, "dataset-not-found")


def test_datasets_are_listed_over_several_pages(client: TestClient, session: Session) -> None:
    names = [f"set-{n}" for n in range(5)]
    for name in names:
        factories.dataset(session, name, rows=1)

    found = pages(client, PATH, limit=2)

    assert [len(page) for page in found] == [2, 2, 1]
    assert [item["name"] for page in found for item in page] == names


def test_a_full_last_page_has_no_cursor(client: TestClient, session: Session) -> None:
    for n in range(2):
        factories.dataset(session, f"set-{n}", rows=1)

    assert fetched(client, PATH, limit=2)["next_cursor"] is None


@pytest.mark.parametrize("limit", [0, 1001, "x"])
def test_a_page_has_1_to_1000_rows(client: TestClient, limit: object) -> None:
    refused(client.get(PATH, params={"limit": str(limit)}), 422, "validation")


TABLE: dict[str, Any] = {**ORDER, "uri": "file:///data/pets", "format": "delta"}


@pytest.mark.parametrize("snapshot", [7254949418853700618, "7254949418853700618"])
def test_a_table_is_registered_at_a_snapshot(client: TestClient, snapshot: object) -> None:
    answer = client.post(PATH, json={**TABLE, "format": "iceberg", "snapshot": snapshot})

    assert answer.status_code == 202, answer.text
    shown = fetched(client, f"{PATH}/fashion")
    assert (shown["format"], shown["snapshot"]) == ("iceberg", "7254949418853700618")
    assert (shown["holdout_format"], shown["holdout_snapshot"]) == ("parquet", None)


def test_held_out_samples_may_be_a_table_of_their_own(client: TestClient) -> None:
    apart = {"holdout_uri": "file:///data/apart", "holdout_format": "delta", "holdout_snapshot": 0}

    shown = client.post(PATH, json={**ORDER, **apart}).json()

    assert (shown["format"], shown["snapshot"]) == ("parquet", None)
    assert (shown["holdout_format"], shown["holdout_snapshot"]) == ("delta", "0")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "hudi"},
        {"format": "parquet", "snapshot": 3},
        {"snapshot": -1},
        {"snapshot": "first"},
        {"snapshot": 1.5},
        {"snapshot": True},
        {"snapshot": 2**63},
        {"uri": "file:///data/pets/*.parquet"},
        {"holdout_format": "delta"},
        {"holdout_uri": None, "holdout_format": "delta"},
        {"holdout_snapshot": 3},
    ],
)
def test_a_table_that_is_named_otherwise_is_refused(
    client: TestClient, change: dict[str, Any]
) -> None:
    refused(client.post(PATH, json={**TABLE, **change}), 422, "validation")
