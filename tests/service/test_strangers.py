"""Callers without a key that is known, and their large bodies."""

import asyncio
import socket
from typing import Any

import pytest
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from service.api.callers import KnownCallers
from service.api.problems import UnauthorizedError
from service.core import keys
from service.core.db import Database
from service.core.tables import APIKey, Dataset
from tests.service.calls import REQUESTS
from tests.service.serving import Served

LARGE = 20 * 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def answer_to(served: Served, *headers: str) -> str:
    """What is answered to the head of a request whose body never comes."""
    head = "\r\n".join([f"POST {REQUESTS} HTTP/1.1", "Host: x", *headers, "", ""])
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = b""
        while not answer.endswith((b"}", CONTINUE)):
            answer += connection.recv(65536) or b"}"
        return answer.decode()


def test_a_large_body_is_read_of_known_callers_only(served: Served) -> None:
    declared, untold = f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"
    stranger = "Authorization: Bearer nobody"

    for head in ([declared], [untold], [declared, stranger], [untold, stranger]):
        answer = answer_to(served, "Content-Type: application/json", *head)

        assert answer.startswith("HTTP/1.1 401 ")
        assert "/problems/unauthorized" in answer

    known = f"Authorization: Bearer {served.key}"
    assert answer_to(served, declared, "Expect: 100-continue", known).encode().endswith(CONTINUE)


def scope_of(key: str) -> dict[str, Any]:
    return {"type": "http", "headers": [(b"authorization", f"Bearer {key}".encode())]}


def test_a_revoked_key_is_believed_no_longer_than_it_is_said(
    session: Session, database: Database
) -> None:
    made = keys.create("caller")
    session.add(made.row)
    session.commit()

    async def story() -> None:
        callers = KnownCallers(database, believed=0.2)
        await callers.check(scope_of(made.text))
        made.row.revoked_at = func.now()
        session.commit()
        await callers.check(scope_of(made.text))
        await asyncio.sleep(0.2)

        with pytest.raises(UnauthorizedError):
            await callers.check(scope_of(made.text))

    asyncio.run(story())


def test_a_revoked_key_that_is_still_believed_changes_nothing(
    served: Served, session: Session, digits: Dataset
) -> None:
    """Its body may be read. What it asks for is refused all the same."""
    body = {"dataset": digits.name, "sample_ids": ["s-1"], "client_reference": "x"}
    large = body | {"sample_ids": ["y" * 250] * 5000}
    assert served.call("POST", REQUESTS, large)[0] == 202
    session.execute(update(APIKey).values(revoked_at=func.now()))
    session.commit()

    for asked in (large, body):
        assert served.call("POST", REQUESTS, asked)[0] == 401
