"""A request that a proxy may read in another way than we do is refused, and ends its connection."""

from collections.abc import Iterator

import pytest

from tests.service.test_patient_server import QUICK, Running, problem_in, read_all, running

POST = b"POST /read HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def quick() -> Iterator[Running]:
    with running(QUICK) as server:
        yield server


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        b"Idempotency-Key: a\r\nidempotency-key: b\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Type: text/plain\r\nContent-Type: application/json\r\n\r\n",
        b"Range: bytes=0-1\r\nRange: bytes=0-2\r\n\r\n",
    ],
)
def test_a_head_with_two_meanings_is_refused_and_nothing_behind_it_is_read(
    quick: Running, head: bytes
) -> None:
    with quick.connect(POST + head + HIDDEN) as caller:
        answer = read_all(caller)

    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert problem_in(answer)["type"] == "/problems/ambiguous-request"


def test_the_second_request_of_a_connection_is_looked_at_as_well(quick: Running) -> None:
    with quick.connect(HIDDEN + POST + b"Range: bytes=0-1\r\nRange: bytes=0-2\r\n\r\n") as caller:
        answer = read_all(caller)

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"/problems/ambiguous-request") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nAccept: a\r\nAccept: b\r\n\r\n{}",
    ],
)
def test_a_head_with_one_meaning_is_served(quick: Running, head: bytes) -> None:
    with quick.connect(POST + head + HIDDEN) as caller:
        answer = read_all(caller)

    assert answer.count(b"HTTP/1.1 200") == 2
