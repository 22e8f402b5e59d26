"""A 2xx is said after the commit, and the clock is held for little else."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, DeletionRequest, Tombstone
from service.main import create_app
from tests.service.calls import accepted, post_request, refused

pytestmark = pytest.mark.usefixtures("cnn")

# Everything succeeds until COMMIT, and then that fails.
NO_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not today, %', NEW.request_id; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON tombstones
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def as_served(settings: Settings, client: TestClient) -> Iterator[TestClient]:
    """The API as a server runs it: what it does not handle is answered with 500."""
    app = create_app(settings)
    with TestClient(app, headers=dict(client.headers), raise_server_exceptions=False) as opened:
        yield opened


def test_a_request_whose_commit_fails_is_not_answered_202(
    as_served: TestClient, session: Session
) -> None:
    session.execute(text(NO_COMMIT))
    session.commit()

    refused(post_request(as_served, ["s-1"], headers={"Idempotency-Key": "a"}), 500, "internal")

    for table in (DeletionRequest, Tombstone):
        assert session.scalar(select(func.count()).select_from(table)) == 0
    assert session.scalars(select(Dataset.tv)).one() == 0
    session.execute(text("DROP TRIGGER refuse ON tombstones"))
    session.commit()
    answer = post_request(as_served, ["s-1"], headers={"Idempotency-Key": "a"})
    assert answer.status_code == 202
    assert "idempotency-replayed" not in answer.headers


def test_what_was_answered_202_is_seen_by_everybody(client: TestClient, session: Session) -> None:
    request = accepted(client, ["s-1"])

    assert session.get(DeletionRequest, request["id"]) is not None


class Statements:
    """What a connection pool's sessions send, in order."""

    def __init__(self, app: FastAPI) -> None:
        self.sent: list[str] = []
        engine = app.state.database.engine
        event.listen(engine, "before_cursor_execute", self._note)
        event.listen(engine, "commit", lambda _connection: self.sent.append("COMMIT"))

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.sent.append(" ".join(statement.split()))

    def under_the_lock(self) -> list[str]:
        """What was sent between the clock's UPDATE and the COMMIT.

        An attempt to do all at once holds an UPDATE, too, which is not reached if it is undone.
        """
        tick = max(n for n, sent in enumerate(self.sent) if "UPDATE datasets SET tv" in sent)
        assert self.sent[-1] == "COMMIT"
        return self.sent[tick + 1 : -1]


@pytest.fixture
def statements(client: TestClient) -> Statements:
    assert isinstance(client.app, FastAPI)
    accepted(client, ["s-90"])  # What is asked of a first connection is asked by now.
    return Statements(client.app)


def test_nothing_is_sent_between_the_clocks_move_and_the_commit(
    client: TestClient, statements: Statements
) -> None:
    accepted(client, [f"s-{n}" for n in range(20)] + [f"x-{n}" for n in range(80)])

    assert statements.under_the_lock() == []


def test_an_idempotent_answer_is_all_that_is_stored_while_the_clock_is_held(
    client: TestClient, statements: Statements
) -> None:
    names = [f"s-{n}" for n in range(20)]
    assert post_request(client, names, headers={"Idempotency-Key": "a"}).status_code == 202

    (stored,) = statements.under_the_lock()
    assert stored.startswith("UPDATE idempotency_keys SET answer")


def test_samples_that_others_hold_are_looked_up_before_the_clock_is_held(
    client: TestClient, statements: Statements
) -> None:
    accepted(client, ["s-90", "s-91"])

    assert statements.under_the_lock() == []


def test_the_number_of_statements_does_not_grow_with_the_number_of_ids(
    client: TestClient, statements: Statements
) -> None:
    counts = []
    for names in (["s-0"], [f"s-{n}" for n in range(1, 29)] + [f"x-{n}" for n in range(72)]):
        statements.sent.clear()
        accepted(client, names)
        counts.append(len(statements.sent))

    # The key, the dataset, a savepoint, all the rest, and the commit.
    assert counts == [5, 5], statements.sent
