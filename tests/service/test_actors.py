"""History names who acted: a caller by the name of their key, and each process by itself."""

import socket

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core import keys
from service.core.settings import Settings
from tests.service.calls import REQUESTS, accepted, fetched
from workers import context


@pytest.fixture
def team_key(session: Session) -> keys.NewKey:
    made = keys.create("privacy team")
    session.add(made.row)
    session.commit()
    return made


def actors_told(client: TestClient, path: str) -> list[tuple[str, str]]:
    return [(event["kind"], event["actor"]) for event in fetched(client, path)["items"]]


@pytest.mark.usefixtures("cnn")
def test_each_caller_is_named_by_their_key(client: TestClient, team_key: keys.NewKey) -> None:
    request = accepted(client, ["s-1"])
    cancel = f"{REQUESTS}/{request['id']}:cancel"
    theirs = {"Authorization": f"Bearer {team_key.text}"}
    assert client.post(cancel, headers=theirs).status_code == 200

    assert actors_told(client, request["links"]["events"]) == [
        ("request.accepted", "key:admin"),
        ("request.cancelled", "key:privacy team"),
    ]


@pytest.mark.usefixtures("cnn")
def test_an_upload_names_the_key_of_its_caller(client: TestClient, team_key: keys.NewKey) -> None:
    headers = {"Authorization": f"Bearer {team_key.text}", "Content-Type": "text/plain"}
    answer = client.post(f"{REQUESTS}/uploads?dataset=digits", content=b"s-1\n", headers=headers)
    assert answer.status_code == 202, answer.text

    told = actors_told(client, answer.json()["links"]["events"])
    assert told == [("request.accepted", "key:privacy team")]


@pytest.mark.usefixtures("cnn")
def test_no_part_of_a_key_but_its_name_is_in_history(
    client: TestClient, session: Session, team_key: keys.NewKey
) -> None:
    client.post(
        REQUESTS,
        json={"dataset": "digits", "sample_ids": ["s-2"]},
        headers={"Authorization": f"Bearer {team_key.text}"},
    )

    history = "\n".join(session.scalars(text("SELECT events::text FROM events")))
    assert "key:privacy team" in history
    for part in team_key.text.split("_")[2:]:
        assert part not in history
    assert team_key.row.secret_hash not in history


def test_a_worker_is_named_by_its_machine(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "settings", lambda: settings)
    made = (context.database, context.bulk_database)
    try:
        for one in made:
            with one().session() as session:
                assert session.info == {"actor": f"worker:{socket.gethostname()}"}
    finally:
        # They are kept for the whole process, and other tests have other databases.
        for one in made:
            one().dispose()
        for one in made:
            one.cache_clear()
