"""`/v1/models` and their aliases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.tables import DatasetState, Model, ModelState
from service.main import create_app
from tests import factories
from tests.service.calls import accepted, fetched, pages, refused

PATH = "/v1/models"
ORDER: dict[str, Any] = {
    "name": "digits-cnn",
    "dataset": "digits",
    "source_uri": "file:///models/digits-cnn",
    "architecture": {"kind": "module", "factory": "workers.zoo:digits_cnn", "kwargs": {"width": 8}},
}


@pytest.mark.usefixtures("digits")
def test_a_model_is_accepted_and_watched_at_its_location(client: TestClient) -> None:
    answer = client.post(PATH, json=ORDER)

    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == "/v1/models/digits-cnn"
    assert int(answer.headers["retry-after"]) >= 1
    shown = answer.json()
    assert {name: shown[name] for name in ORDER} == ORDER
    assert (shown["state"], shown["version"], shown["aliases"]) == ("validating", None, {})
    assert shown["policy"] == {
        "batch_window_seconds": 0,
        "max_fraction": 0.3,
        "min_agreement": None,
        "target_level": "membership",
        "auto_promote": True,
        "retention_days": 30,
        "keep_card": False,
    }
    assert (shown["representation"], shown["method"]) == ({"module": "auto"}, "auto")
    assert fetched(client, answer.headers["location"]) == shown


@pytest.mark.usefixtures("digits")
def test_a_model_may_name_what_its_training_began_with(client: TestClient) -> None:
    plain = client.post(PATH, json={**ORDER, "name": "plain"})
    assert (plain.status_code, plain.json()["base_uri"]) == (202, None)

    tuned = client.post(PATH, json={**ORDER, "base_uri": "file:///models/pretrained"})

    assert tuned.status_code == 202, tuned.text
    assert tuned.json()["base_uri"] == "file:///models/pretrained"


@pytest.mark.usefixtures("cnn")
def test_a_ready_model_shows_its_newest_version_and_aliases(client: TestClient) -> None:
    shown = fetched(client, f"{PATH}/cnn")

    assert (shown["state"], shown["version"], shown["tv"]) == ("ready", 1, 0)
    assert shown["aliases"] == {"champion": 1}
    assert shown["paused"] is False


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("factory", ["os:system", "workers.zoology:make", "torch.hub:load"])
def test_a_factory_that_nobody_allowed_is_refused(client: TestClient, factory: str) -> None:
    order = {**ORDER, "architecture": {"kind": "module", "factory": factory}}

    problem = refused(client.post(PATH, json=order), 422, "factory-not-allowed")

    assert problem["factory"] == factory
    assert "UNLEARND_MODULE_FACTORIES" in problem["detail"]


@pytest.mark.usefixtures("digits")
def test_an_operator_may_allow_more_factories(settings: Any, client: TestClient) -> None:
    allowing = settings.model_copy(update={"module_factories": ["acme.models:"]})
    order = {**ORDER, "architecture": {"kind": "module", "factory": "acme.models:small"}}

    with TestClient(create_app(allowing), headers=dict(client.headers)) as other:
        assert other.post(PATH, json=order).status_code == 202


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    "factory", ["", "zoo", "workers.zoo:", "workers.zoo:a.b", "workers.zoo:a()"]
)
def test_a_factory_is_a_module_and_a_function(client: TestClient, factory: str) -> None:
    order = {**ORDER, "architecture": {"kind": "module", "factory": factory}}

    problem = refused(client.post(PATH, json=order), 422, "validation")

    assert problem["errors"][0]["field"] == "architecture.factory"


@pytest.mark.usefixtures("cnn")
def test_a_training_cannot_have_obeyed_a_clock_that_is_not_there_yet(client: TestClient) -> None:
    accepted(client, ["s-1"])

    problem = refused(client.post(PATH, json={**ORDER, "tv": 2}), 422, "clock-ahead")

    assert problem["tv"] == 1
    assert client.post(PATH, json={**ORDER, "tv": 1}).json()["tv"] == 1


def test_a_model_needs_a_dataset_that_exists(client: TestClient) -> None:
    refused(client.post(PATH, json=ORDER), 404, "dataset-not-found")


@pytest.mark.parametrize("state", [DatasetState.INDEXING, DatasetState.INVALID])
def test_a_model_needs_a_dataset_that_is_ready(
    client: TestClient, session: Session, state: DatasetState
) -> None:
    factories.dataset(session, state=state)

    refused(client.post(PATH, json=ORDER), 409, "dataset-not-ready")


@pytest.mark.usefixtures("digits")
def test_a_name_is_taken_only_once(client: TestClient) -> None:
    client.post(PATH, json=ORDER)

    refused(client.post(PATH, json=ORDER), 409, "model-exists")


@pytest.mark.usefixtures("digits")
def test_an_invalid_model_is_replaced(client: TestClient, session: Session) -> None:
    client.post(PATH, json=ORDER)
    model = session.scalars(select(Model)).one()
    model.move_to(ModelState.INVALID)
    model.reason = "There is no model.safetensors."
    session.commit()
    assert fetched(client, f"{PATH}/digits-cnn")["reason"] == "There is no model.safetensors."

    assert client.post(PATH, json=ORDER).status_code == 202

    shown = fetched(client, f"{PATH}/digits-cnn")
    assert (shown["state"], shown["reason"]) == ("validating", None)


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"labels": True}, "(unknown)"),
        ({"tv": -1}, "tv"),
        ({"tv": 2**62}, "tv"),
        ({"policy": {"max_fraction": 0}}, "policy.max_fraction"),
        ({"policy": {"max_fraction": 1.1}}, "policy.max_fraction"),
        ({"policy": {"min_agreement": 2}}, "policy.min_agreement"),
        ({"policy": {"target_level": "none"}}, "policy.target_level"),
        ({"policy": {"target_level": None}}, "policy.target_level"),
        ({"policy": {"retention_days": -1}}, "policy.retention_days"),
        ({"policy": {"hold": True}}, "policy.(unknown)"),
        ({"representation": {"layer": "x"}}, "representation.(unknown)"),
        ({"architecture": {"kind": "pickle", "factory": "a:b"}}, "architecture.kind"),
        ({"architecture": {"factory": "a:b"}}, "architecture.kind"),
        ({"architecture": {"kind": "module"}}, "architecture.factory"),
        ({"architecture": {"kind": "transformers", "factory": "a:b"}}, "architecture.(unknown)"),
    ],
)
def test_an_order_of_the_wrong_form_is_refused_by_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    problem = refused(client.post(PATH, json={**ORDER, **change}), 422, "validation")

    assert [error["field"] for error in problem["errors"]] == [field]


def test_models_are_listed_over_several_pages(client: TestClient, session: Session) -> None:
    digits = factories.dataset(session)
    names = [f"net-{n}" for n in range(3)]
    for name in names:
        factories.model(session, digits, name)

    found = pages(client, PATH, limit=2)

    assert [[item["name"] for item in page] for page in found] == [names[:2], names[2:]]


def test_an_unknown_model_is_not_found(client: TestClient) -> None:
    for path in ("", "/versions", "/versions/1", "/aliases", "/aliases/champion"):
        refused(client.get(f"{PATH}/nobody{path}"), 404, "model-not-found")


@pytest.mark.usefixtures("cnn")
def test_an_alias_names_a_version(client: TestClient) -> None:
    shown = fetched(client, f"{PATH}/cnn/aliases/champion")

    assert (shown["model"], shown["alias"], shown["version"]) == ("cnn", "champion", 1)
    assert shown["digest"] == fetched(client, f"{PATH}/cnn/versions/1")["digest"]
    assert fetched(client, f"{PATH}/cnn/aliases")["items"] == [shown]


@pytest.mark.usefixtures("cnn")
def test_an_unknown_alias_is_not_found(client: TestClient) -> None:
    refused(client.get(f"{PATH}/cnn/aliases/candidate"), 404, "alias-not-found")


def test_an_aliass_tag_changes_when_it_moves(
    client: TestClient, session: Session, cnn: Model
) -> None:
    path = f"{PATH}/cnn/aliases/champion"
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    factories.publish(session, cnn, tv=1)

    answer = client.get(path, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert answer.headers["etag"] != tag


@pytest.mark.usefixtures("digits")
def test_a_model_in_the_hugging_face_layout_needs_no_factory(client: TestClient) -> None:
    order = {**ORDER, "architecture": {"kind": "transformers"}}

    accepted = client.post(PATH, json=order)

    assert accepted.status_code == 202
    assert accepted.json()["architecture"] == {"kind": "transformers"}


@pytest.mark.usefixtures("digits")
def test_a_kind_that_there_is_not_is_not_repeated(client: TestClient) -> None:
    order = {**ORDER, "architecture": {"kind": "a-secret"}}

    problem = refused(client.post(PATH, json=order), 422, "validation")

    assert problem["detail"] == "architecture.kind: Input should be 'module' or 'transformers'."
