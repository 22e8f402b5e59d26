"""Many posts at once, through the API, with IDs in common."""

import random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.tables import Dataset, Tombstone
from tests.service.calls import fetched, post_request
from tests.service.racing import at_once

POSTERS, POSTS, IDS = 8, 4, 12


@pytest.mark.usefixtures("cnn")
def test_posts_with_ids_in_common_stage_each_known_sample_once(
    client: TestClient, session: Session
) -> None:
    def poster(number: int) -> list[tuple[list[str], Response]]:
        chosen = random.Random(number)
        asked = [[f"s-{n}" for n in chosen.sample(range(110), IDS)] for _ in range(POSTS)]
        return [(names, post_request(client, names)) for names in asked]

    answers = [one for several in at_once(POSTERS, poster) for one in several]

    assert {answer.status_code for _, answer in answers} == {202}
    shown: list[dict[str, Any]] = [answer.json() for _, answer in answers]
    known = {n for names, _ in answers for n in names if int(n[2:]) < 100}
    assert sum(one["counts"]["staged"] for one in shown) == len(known)
    assert {row.sample_id for row in session.scalars(select(Tombstone))} == known
    for one in shown:
        counts = one["counts"]
        assert counts["staged"] + counts["already_deleted"] + counts["not_found"] == IDS
    stamping = sorted(one["tv"] for one in shown if one["counts"]["staged"])
    assert stamping == list(range(1, session.scalars(select(Dataset.tv)).one() + 1))


@pytest.mark.usefixtures("cnn")
def test_what_is_answered_is_what_is_stored(client: TestClient) -> None:
    names = [f"s-{n}" for n in range(20)]

    shown = at_once(6, lambda _number: post_request(client, names).json())

    assert sorted(one["counts"]["staged"] for one in shown) == [0, 0, 0, 0, 0, 20]
    for one in shown:
        again = fetched(client, one["links"]["self"])
        assert (again["counts"], again["tv"], again["status"]) == (
            one["counts"],
            one["tv"],
            one["status"],
        )
        items = fetched(client, one["links"]["samples"])["items"]
        assert sum(item["disposition"] == "staged" for item in items) == one["counts"]["staged"]


def test_of_many_datasets_with_one_name_one_is_registered(client: TestClient) -> None:
    order = {
        "name": "fashion",
        "uri": "file:///x",
        "id_column": "id",
        "inputs": [{"column": "pixels", "kind": "array", "shape": [4]}],
    }

    answers = at_once(6, lambda _number: client.post("/v1/datasets", json=order).status_code)

    assert sorted(answers) == [202, 409, 409, 409, 409, 409]
