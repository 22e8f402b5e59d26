"""Lists, events and conditional reads of deletion requests."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import DeletionRequest, Model, RequestState
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched, pages, post_request, refused
from workers.lifecycle import jobs, publishing


def ids(client: TestClient, **query: Any) -> list[str]:
    return [item["id"] for item in fetched(client, REQUESTS, **query)["items"]]


@pytest.mark.usefixtures("cnn")
def test_requests_are_listed_over_several_pages_the_newest_first(client: TestClient) -> None:
    made = [accepted(client, [f"s-{n}"])["id"] for n in range(5)]

    found = pages(client, REQUESTS, limit=2)

    assert [len(page) for page in found] == [2, 2, 1]
    assert [item["id"] for page in found for item in page] == made[::-1]


@pytest.mark.usefixtures("cnn")
def test_a_request_that_comes_between_two_pages_moves_nothing(client: TestClient) -> None:
    made = [accepted(client, [f"s-{n}"])["id"] for n in range(3)]
    first = fetched(client, REQUESTS, limit=2)
    accepted(client, ["s-9"])

    second = fetched(client, REQUESTS, limit=2, cursor=first["next_cursor"])

    assert [item["id"] for item in second["items"]] == made[:1]


@pytest.mark.usefixtures("cnn")
def test_requests_are_filtered(client: TestClient, session: Session) -> None:
    factories.dataset(session, "letters")
    waiting = accepted(client, ["s-1"], client_reference="ticket-1")["id"]
    late = accepted(client, ["s-2"], received_at="2020-01-01T00:00:00Z")["id"]
    done = accepted(client, ["nobody"], received_at="2020-01-01T00:00:00Z")["id"]
    other = accepted(client, ["s-1"], dataset="letters", regulation="none")["id"]

    assert ids(client) == [other, done, late, waiting]
    assert ids(client, status="staged") == [late, waiting]
    assert ids(client, status="completed") == [other, done]
    assert ids(client, status="failed") == []
    assert ids(client, dataset="digits") == [done, late, waiting]
    assert ids(client, dataset="letters", status="completed") == [other]
    assert ids(client, dataset="nobody") == []
    assert ids(client, overdue=True) == [late]
    assert ids(client, overdue=False) == [other, done, waiting]
    assert ids(client, client_reference="ticket-1") == [waiting]


@pytest.mark.parametrize("query", [{"status": "lost"}, {"overdue": "x"}, {"limit": 0}])
def test_a_filter_that_makes_no_sense_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    refused(client.get(REQUESTS, params=query), 422, "validation")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!",
        "☃",
        "a" * 101,
        "17",
        "1767225600000000",
        f"1767225600000000-{'0' * 31}",
        f"yesterday-{'0' * 32}",
        f"1767225600000000-{'G' * 32}",
        f"17672256000000000-{'0' * 32}",
        f"1767225600000000-{'0' * 32}\n",
        "eyJhIjoxfQ",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(client: TestClient, cursor: str) -> None:
    refused(client.get(REQUESTS, params={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 19, "1-2", "²", "1\n", " 1"])
def test_a_cursor_without_a_number_is_refused(client: TestClient, cursor: str) -> None:
    refused(client.get("/v1/datasets", params={"cursor": cursor}), 422, "cursor")


@pytest.mark.usefixtures("cnn")
def test_whatever_has_the_form_of_a_cursor_is_one(client: TestClient) -> None:
    """So that a client can be told by the form alone what is refused."""
    first = accepted(client, ["s-1"])["id"]
    for path in ("/v1/datasets", "/v1/models", "/v1/models/cnn/versions"):
        assert len(fetched(client, path, cursor="0")["items"]) == 1
        assert fetched(client, path, cursor="9" * 18)["items"] == []
    for part in ("samples", "events"):
        assert fetched(client, f"{REQUESTS}/{first}/{part}", cursor="9" * 18)["items"] == []
    for path in (REQUESTS, "/v1/jobs"):
        assert fetched(client, path, cursor=f"0-{'0' * 32}")["items"] == []
        fetched(client, path, cursor=f"{'9' * 16}-{'f' * 32}")


def finish(database: Database, session: Session, model: Model, tv: int) -> str:
    """Run the model's next job, as a worker would."""
    job = factories.job(session, model, factories.head(session, model), tv=tv)
    with database.unit_of_work() as other:
        claimed = jobs.claim(other, job.id, "worker", 60)
    assert claimed is not None
    with database.unit_of_work() as other:
        publishing.publish(other, claimed, factories.unlearned())
    return str(job.id)


def test_a_request_shows_the_job_and_the_version_that_answered_it(
    client: TestClient, session: Session, database: Database, cnn: Model
) -> None:
    request = accepted(client, ["s-1", "s-2"])
    job = finish(database, session, cnn, 1)

    shown = fetched(client, request["links"]["self"])

    assert (shown["status"], shown["progress"]) == ("completed", 1)
    assert (shown["counts"]["staged"], shown["counts"]["unlearned"]) == (0, 2)
    assert [(one["id"], one["state"], one["version"]) for one in shown["jobs"]] == [
        (job, "published", 2)
    ]
    assert [(one["model"], one["version"], one["tv"]) for one in shown["versions"]] == [
        ("cnn", 2, 1)
    ]
    assert client.get(shown["jobs"][0]["href"]).json()["tv"] == 1
    assert client.get(shown["versions"][0]["href"]).json()["job_id"] == job
    items = fetched(client, request["links"]["samples"], disposition="unlearned")["items"]
    assert [item["sample_id"] for item in items] == ["s-1", "s-2"]
    assert fetched(client, request["links"]["samples"], disposition="staged")["items"] == []


def test_a_later_request_is_answered_by_a_later_version(
    client: TestClient, session: Session, database: Database, cnn: Model
) -> None:
    first = accepted(client, ["s-1"])
    finish(database, session, cnn, 1)
    second = accepted(client, ["s-2"])
    finish(database, session, cnn, 2)

    answered = [
        [one["version"] for one in fetched(client, request["links"]["self"])["versions"]]
        for request in (first, second)
    ]

    assert answered == [[2], [3]]


def test_events_tell_the_history_in_pages_the_oldest_first(
    client: TestClient, session: Session, database: Database, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    job = finish(database, session, cnn, 1)
    accepted(client, ["s-2"])

    found = pages(client, request["links"]["events"], limit=2)

    events = [event for page in found for event in page]
    kinds = [event["kind"] for event in events]
    assert kinds[:2] == ["request.accepted", "job.started"]
    assert {"job.published", "request.completed"} <= set(kinds)
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert {event["job_id"] for event in events} == {None, job}
    assert all(len(page) <= 2 for page in found)


@pytest.mark.usefixtures("cnn")
def test_polling_costs_little_until_something_changes(client: TestClient, session: Session) -> None:
    request = accepted(client, ["s-1"])
    path = request["links"]["self"]
    first = client.get(path)
    tag = first.headers["etag"]
    assert first.headers["retry-after"]

    for known in (tag, f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200

    session.get_one(DeletionRequest, request["id"]).move_to(RequestState.FAILED)
    session.commit()
    changed = client.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "failed")
    assert "retry-after" not in changed.headers


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize(
    "path", ["/v1/datasets/digits", "/v1/models/cnn", "/v1/models/cnn/versions/1"]
)
def test_single_resources_have_tags(client: TestClient, path: str) -> None:
    tag = client.get(path).headers["etag"]

    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize("form", ["W/{}", '"other", W/{}', "W/{} , {}", "*"])
def test_a_tag_that_a_proxy_made_weak_is_still_known(client: TestClient, form: str) -> None:
    tag = client.get("/v1/models/cnn").headers["etag"]

    same = client.get("/v1/models/cnn", headers={"If-None-Match": form.format(tag, tag)})
    other = client.get("/v1/models/cnn", headers={"If-None-Match": form.format('"x"', '"y"')})

    assert (same.status_code, same.text, same.headers["etag"]) == (304, "", tag)
    assert other.status_code == (304 if form == "*" else 200)


@pytest.mark.usefixtures("digits")
def test_a_dataset_changes_its_tag_with_its_clock(client: TestClient) -> None:
    before = client.get("/v1/datasets/digits").headers["etag"]
    assert post_request(client, ["s-1"]).status_code == 202

    assert client.get("/v1/datasets/digits").headers["etag"] != before


def test_jobs_are_listed_and_filtered(
    client: TestClient, session: Session, database: Database, cnn: Model
) -> None:
    accepted(client, ["s-1"])
    done = finish(database, session, cnn, 1)
    accepted(client, ["s-2"])
    waiting = str(factories.job(session, cnn, factories.head(session, cnn), tv=2).id)

    def listed(**query: Any) -> list[str]:
        return [item["id"] for page in pages(client, "/v1/jobs", **query) for item in page]

    assert listed(limit=1) == [waiting, done]
    assert listed(state="queued") == [waiting]
    assert listed(state="published", model="cnn") == [done]
    assert listed(model="nobody") == []
    refused(client.get(f"/v1/jobs/{accepted(client, ['s-3'])['id']}"), 404, "job-not-found")
    tag = client.get(f"/v1/jobs/{done}").headers["etag"]
    assert client.get(f"/v1/jobs/{done}", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.usefixtures("cnn")
def test_no_call_reads_the_lists_of_a_datasets_files(client: TestClient) -> None:
    read: list[str] = []
    assert isinstance(client.app, FastAPI)

    @event.listens_for(client.app.state.database.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        read.append(statement)

    request = accepted(client, ["s-1"])
    for path in (request["links"]["self"], REQUESTS, "/v1/datasets", "/v1/datasets/digits"):
        assert client.get(path).status_code == 200

    assert len([one for one in read if "datasets" in one and "name" in one]) >= 5
    assert not [one for one in read if re.search(r"datasets\w*\.(holdout_)?files", one)]
