"""`Idempotency-Key` on `POST /v1/deletion-requests`."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import keys
from service.core.db import Database
from service.core.tables import Dataset, DeletionRequest, IdempotencyKey
from tests.service.calls import accepted, fetched, post_request, refused
from tests.service.racing import at_once, in_background, released, wait_for_blocked

pytestmark = pytest.mark.usefixtures("cnn")


def post(client: TestClient, key: str, *sample_ids: str) -> Response:
    return post_request(client, list(sample_ids), headers={"Idempotency-Key": key})


def requests(session: Session) -> int:
    session.rollback()
    return session.scalars(select(func.count()).select_from(DeletionRequest)).one()


def test_the_same_key_and_body_give_the_same_answer_and_one_request(
    client: TestClient, session: Session
) -> None:
    first = post(client, "a", "s-1", "nobody")
    second = post(client, "a", "s-1", "nobody")

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["retry-after"] == first.headers["retry-after"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert requests(session) == 1
    assert session.scalars(select(Dataset.tv)).one() == 1


def test_an_answer_that_an_older_release_stored_is_given_again(
    client: TestClient, session: Session
) -> None:
    first = post(client, "a", "s-1").json()
    session.scalars(select(IdempotencyKey)).one().answer = first
    session.commit()

    second = post(client, "a", "s-1")

    assert second.headers["location"].endswith(first["id"])
    assert second.json() == first


def test_a_key_that_comes_with_another_body_is_refused(
    client: TestClient, session: Session
) -> None:
    post(client, "a", "s-1")

    refused(post(client, "a", "s-2"), 422, "idempotency-key-reused")
    assert requests(session) == 1


def test_another_key_makes_another_request(client: TestClient, session: Session) -> None:
    first, second = post(client, "a", "s-1").json(), post(client, "b", "s-1").json()

    assert first["id"] != second["id"]
    assert requests(session) == 2


def test_without_a_key_the_same_body_makes_another_request(
    client: TestClient, session: Session
) -> None:
    accepted(client, ["s-1"])
    accepted(client, ["s-1"])

    assert requests(session) == 2


def test_the_key_of_another_caller_is_another_key(client: TestClient, session: Session) -> None:
    other = keys.create("other")
    session.add(other.row)
    session.commit()
    mine = post(client, "a", "s-1")

    headers = {"Idempotency-Key": "a", "Authorization": f"Bearer {other.text}"}
    theirs = post_request(client, ["s-2"], headers=headers)

    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine.json()["id"]
    assert "idempotency-replayed" not in theirs.headers


def test_a_refused_request_does_not_use_up_its_key(client: TestClient) -> None:
    refused(post(client, "a", *(f"s-{n}" for n in range(50))), 422, "too-large-a-share")

    answer = post(client, "a", "s-1")

    assert answer.status_code == 202
    assert "idempotency-replayed" not in answer.headers


def test_a_replay_tells_what_was_answered_then_and_not_what_is_now(
    client: TestClient, session: Session
) -> None:
    first = post(client, "a", "s-1").json()
    session.get_one(DeletionRequest, first["id"]).detail = "changed since"
    session.commit()

    assert post(client, "a", "s-1").json() == first
    assert fetched(client, first["links"]["self"])["detail"] == "changed since"


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_1_to_255_characters(client: TestClient, key: str) -> None:
    refused(post(client, key, "s-1"), 422, "validation")


def test_a_key_whose_first_request_is_under_way_is_answered_409_at_once(
    client: TestClient, session: Session, database: Database
) -> None:
    session.execute(select(Dataset).with_for_update())
    with in_background(lambda: post(client, "a", "s-1")) as first, released(session):
        wait_for_blocked(database, first)
        second = post(client, "a", "s-1")
        other = post(client, "a", "s-2")

        for answer in (second, other):
            refused(answer, 409, "idempotency-key-in-use")
            assert int(answer.headers["retry-after"]) > 0
        session.rollback()
        assert first.result(20).status_code == 202

    assert post(client, "a", "s-1").content == first.result().content
    assert requests(session) == 1


def test_fifty_posts_with_one_key_at_once_make_one_request(
    client: TestClient, session: Session
) -> None:
    answers = at_once(50, lambda _number: post(client, "a", "s-1", "s-2"))

    given = [answer for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert all(answer.content == given[0].content for answer in given)
    replayed = [answer.headers.get("idempotency-replayed") for answer in given]
    assert sorted(replayed, key=str) == [None, *["true"] * (len(given) - 1)]
    assert requests(session) == 1
    assert session.scalars(select(Dataset.tv)).one() == 1
