"""Far more requests at a time than there are connections and threads, against a real server."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import anyio.to_thread
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.api.admission import CONNECTIONS, EXPORTS, PROBES
from service.core.db import Database
from service.core.tables import Dataset
from tests.service.calls import REQUESTS
from tests.service.racing import at_once
from tests.service.serving import Served
from tests.waiting import wait_until

DATASET = "/v1/datasets/digits"
OF_THE_API = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'unlearnd api' "
)
WAIT_FOR_A_LOCK, ARE_USED = "AND wait_event_type = 'Lock'", "AND state <> 'idle'"


def connections(database: Database, that: str) -> int:
    with database.engine.connect() as connection:
        return int(connection.scalars(text(OF_THE_API + that)).one())


@pytest.mark.usefixtures("cnn")
def test_200_requests_at_once_are_all_answered_within_seconds(served: Served) -> None:
    started = time.monotonic()

    answers = at_once(200, lambda _number: served.call("GET", DATASET))

    assert Counter(status for status, _ in answers) == {200: 200}
    assert time.monotonic() - started < 8


@pytest.mark.usefixtures("cnn")
def test_posts_of_92_callers_at_once_are_all_accepted(served: Served, session: Session) -> None:
    def post(number: int) -> tuple[int, dict[str, int]]:
        body = {"dataset": "digits", "sample_ids": [f"s-{number}"]}
        status, shown = served.call("POST", REQUESTS, body)
        return status, shown

    answers = at_once(92, post)

    assert Counter(status for status, _ in answers) == {202: 92}
    assert sorted(shown["tv"] for _, shown in answers) == list(range(1, 93))
    assert session.scalars(select(Dataset.tv)).one() == 92


@pytest.mark.usefixtures("cnn")
def test_probes_answer_while_200_requests_wait(
    served: Served, session: Session, database: Database
) -> None:
    assert served.call("GET", "/readyz")[0] == 200
    session.scalars(select(Dataset).with_for_update()).one()
    body = {"dataset": "digits", "sample_ids": ["s-1"]}
    with ThreadPoolExecutor(200) as pool:
        posts = [pool.submit(served.call, "POST", REQUESTS, body) for _ in range(CONNECTIONS + 5)]
        wait_until(lambda: connections(database, WAIT_FOR_A_LOCK) == CONNECTIONS, patience=30)
        reads = [pool.submit(served.call, "GET", DATASET) for _ in range(175)]
        time.sleep(0.5)

        for path in ("/livez", "/readyz"):
            started = time.monotonic()
            assert served.call("GET", path)[0] == 200
            assert time.monotonic() - started < 2
        assert not any(call.done() for call in [*posts, *reads])

        session.commit()
        assert {call.result()[0] for call in posts} == {202}
        assert {call.result()[0] for call in reads} == {200}


def test_slow_readers_of_exports_hold_neither_places_nor_connections(
    served: Served, session: Session, database: Database, digits: Dataset
) -> None:
    # Many times what the sockets between them hold.
    rows = 100_000
    session.execute(
        text(
            "WITH held AS (INSERT INTO deletion_requests (id, dataset_id, tv, state, regulation, "
            "received_at, total, staged, not_found, already_deleted, duplicate, unlearned) "
            "SELECT gen_random_uuid(), :dataset, n, 'staged', 'none', now(), 1, 1, 0, 0, 0, false "
            "FROM generate_series(1, 10) AS n RETURNING id, tv) "
            "INSERT INTO tombstones (dataset_id, sample_id, row_position, request_id) "
            "SELECT :dataset, lpad(n::text, 200, '0'), n, id "
            "FROM generate_series(1, :rows) AS n JOIN held ON held.tv = 1 + n % 10"
        ),
        {"dataset": digits.id, "rows": rows},
    )
    session.get_one(Dataset, digits.id).tv = 10
    session.commit()
    with ExitStack() as opened:
        readers = [
            opened.enter_context(served.ask(f"{DATASET}/tombstones"))
            for _ in range(CONNECTIONS + 5)
        ]
        for reader in readers:
            assert reader.recv(64).startswith(b"HTTP/1.1 200")

        started = time.monotonic()
        assert served.call("GET", DATASET)[0] == 200
        assert time.monotonic() - started < 5
        wait_until(lambda: connections(database, ARE_USED) == 0, patience=30)

        seen = 0
        while not (part := readers[0].recv(1 << 16)).endswith(b"0\r\n\r\n"):
            seen += part.count(b'"sample_id"')
        assert seen + part.count(b'"sample_id"') >= rows - 200


def test_connections_and_threads_suffice_for_all_who_may_be_inside(client: TestClient) -> None:
    app: object = client.app
    pool = app.state.database.engine.pool  # type: ignore[attr-defined]
    assert client.portal is not None

    async def tokens() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert pool.size() + pool._max_overflow >= CONNECTIONS + EXPORTS + PROBES
    assert client.portal.call(tokens) >= CONNECTIONS
