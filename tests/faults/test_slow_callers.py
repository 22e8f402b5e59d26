"""Drills: callers who hold connections and places, and send next to nothing."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from service.api.uploads import UPLOADS
from service.core.tables import JobState
from tests.faults.stack import API, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.faults

IDLE = 1100
USUAL_LIMIT = 1024
PATH = "/v1/deletion-requests/uploads?dataset=digits"


@contextmanager
def descriptors(soft: int) -> Iterator[None]:
    """So many files for this process and those that it starts, as far as the system allows."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < soft:
        pytest.skip(f"The system allows {hard} open files, and the drill needs {soft}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def connect(api: API, held: ExitStack, first: bytes) -> socket.socket:
    port = api.http.base_url.port
    assert port is not None
    made = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
    made.sendall(first)
    return made


@pytest.mark.parametrize("first", [b"", b"GET /v1/datasets HT", b"body"], ids=repr)
def test_eleven_hundred_idle_connections_keep_nobody_out(stack: Stack, first: bytes) -> None:
    if first == b"body":
        first = b"POST /v1/deletion-requests HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{"
    with descriptors(USUAL_LIMIT):
        # Long enough that no limit of time helps.
        api = stack.api(UNLEARND_HEAD_SECONDS="600", UNLEARND_SILENT_SECONDS="600")
    with descriptors(4 * USUAL_LIMIT), ExitStack() as held:
        for _ in range(IDLE):
            connect(api, held, first)

        answers = [api.post(stack.sample_ids[n : n + 2]) for n in range(0, 20, 2)]

        assert {answer.status_code for answer in answers} == {202}
        assert "out of system resource" not in api.running.says()
    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()


def test_uploads_that_come_in_drops_keep_no_other_out(stack: Stack) -> None:
    api = stack.api(UNLEARND_SILENT_SECONDS="600")
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.key}\r\n"
        "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    ended = threading.Event()
    with ExitStack() as held:
        slow = [connect(api, held, head.encode()) for _ in range(UPLOADS)]

        def drip() -> None:
            while not ended.wait(1):
                for connection in slow:
                    try:
                        connection.sendall(b"1\r\ns\r\n")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            ids = "".join(f"{sample_id}\n" for sample_id in stack.sample_ids[:3])
            headers = {"Content-Type": "text/plain"}
            for _ in range(3):
                assert api.http.post(PATH, content=ids, headers=headers).status_code == 202
            # And it was one of these four that had to go.
            answers = [told for connection in slow if (told := said_to(connection))]
        finally:
            ended.set()
            dripping.join()
    assert answers
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert all(b"/problems/body-too-slow" in answer for answer in answers)
    wait_until(lambda: api.http.get("/livez").status_code == 200)
    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()


def said_to(connection: socket.socket) -> bytes:
    """What was answered to a caller by now."""
    connection.setblocking(False)
    try:
        return connection.recv(65536)
    except BlockingIOError:
        return b""
    finally:
        connection.setblocking(True)
