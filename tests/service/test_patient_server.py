"""The server's own limits, over real sockets: heads, idle connections, answers, what is refused."""

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service.api.places import hangs_up
from service.serving.limits import Limits
from service.serving.protocol import PatientProtocol, protocol_of
from tests.service.loopback import on_loopback
from tests.waiting import wait_until

HEAD = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = Limits(connections=4, head=0.3, idle=0.5, unread=0.5, drain=0.5, linger=0.3)
MIB = 1024 * 1024


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once (`/quick`), refuses a body unread (`/refuse`), or never stops answering."""
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    status = 413 if scope["path"] == "/refuse" else 200
    length = [] if scope["path"] == "/endless" else [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": status, "headers": length})
    gone = asyncio.ensure_future(hangs_up(receive))
    while scope["path"] == "/endless" and not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)
    gone.cancel()
    await send({"type": "http.response.body", "body": b"answer"})


@dataclass(frozen=True)
class Running:
    port: int
    protocol: type[PatientProtocol]

    def connect(self, first: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.sendall(first)
        return made

    def answers(self) -> bool:
        with self.connect(HEAD) as caller:
            return read_all(caller, enough=b"answer").startswith(b"HTTP/1.1 200")


@contextmanager
def running(limits: Limits) -> Iterator[Running]:
    protocol = protocol_of(limits)
    config = uvicorn.Config(
        application,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    with on_loopback(config) as port:
        yield Running(port, protocol)


@pytest.fixture(scope="module")
def quick() -> Iterator[Running]:
    with running(QUICK) as server:
        yield server


def read_all(caller: socket.socket, enough: bytes = b"\x00") -> bytes:
    """What comes until the server closes, or until it ends with `enough`."""
    answer = b""
    while not answer.endswith(enough):
        part = caller.recv(65536)
        if not part:
            break
        answer += part
    return answer


def problem_in(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    return dict(json.loads(body))


def test_a_caller_who_sends_nothing_is_closed_without_an_answer(quick: Running) -> None:
    with quick.connect() as silent:
        begun = time.monotonic()
        assert read_all(silent) == b""
        assert time.monotonic() - begun < 3


def test_a_head_that_comes_in_drops_is_answered_with_408(quick: Running) -> None:
    with quick.connect(b"GET / HT") as slow:
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.02):
                try:
                    slow.send(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = read_all(slow)
        stop.set()
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408")
    assert problem_in(answer)["type"] == "/problems/head-too-slow"


def test_the_next_head_on_a_connection_has_the_same_limit(quick: Running) -> None:
    with quick.connect(HEAD) as caller:
        read_all(caller, enough=b"answer")
        caller.sendall(b"GET / HT")
        assert b" 408 " in read_all(caller)


def test_an_idle_connection_is_kept_for_a_while_and_closed(quick: Running) -> None:
    with quick.connect(HEAD) as caller:
        read_all(caller, enough=b"answer")
        time.sleep(QUICK.idle / 2)
        caller.sendall(HEAD)
        assert read_all(caller, enough=b"answer").startswith(b"HTTP/1.1 200")
        assert read_all(caller) == b""


@pytest.mark.parametrize(
    ("first", "status", "code"),
    [
        (b"no http at all\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000, 431, "head-too-large"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n", 501, "not-implemented"),
        (
            b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
            400,
            "bad-request",
        ),
    ],
)
def test_what_the_server_refuses_by_itself_is_a_problem_too(
    quick: Running, first: bytes, status: int, code: str
) -> None:
    with quick.connect(first) as caller:
        answer = read_all(caller)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert problem_in(answer)["type"] == f"/problems/{code}"


def test_the_longest_idle_connection_makes_room_for_a_newcomer() -> None:
    with running(Limits(connections=4)) as server:
        kept = server.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(10)
        first = server.connect(HEAD)
        assert read_all(first, enough=b"answer")
        idle = [server.connect() for _ in range(20)]
        half = [server.connect(b"GET / HT") for _ in range(20)]

        assert server.answers()

        assert len(server.protocol.crowd) <= 4
        assert read_all(first) == b""
        assert read_all(idle[0]) == b""
        assert len(kept.recv(MIB)) > 1
        for caller in (kept, first, *idle, *half):
            caller.close()


def test_bodies_that_come_in_drops_make_room_and_swift_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.serving.protocol.GRACE_SECONDS", 0.2)
    begun = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"
    with running(Limits(connections=2, crowded_rate=1000)) as server:
        swift = server.connect(begun + b"x" * 500_000)
        slow = server.connect(begun)
        wait_until(lambda: len(server.protocol.crowd._sending) == 2, every=0.01)
        # Both are young: the newcomer has to come again.
        with server.connect(HEAD) as caller:
            answer = read_all(caller)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in answer.lower()
        assert problem_in(answer)["type"] == "/problems/busy"
        time.sleep(0.3)

        assert server.answers()

        assert read_all(slow) == b""
        swift.sendall(b"x" * 499_999)
        assert read_all(swift, enough=b"answer").startswith(b"HTTP/1.1 200")
        slow.close()
        swift.close()


def test_an_answer_that_nobody_reads_ends(quick: Running) -> None:
    with quick.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n") as caller:
        wait_until(lambda: len(quick.protocol.crowd) == 1)
        wait_until(lambda: len(quick.protocol.crowd) == 0, patience=10)
        caller.close()


REFUSED = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("size", [MIB, 100 * MIB])
def test_a_refused_body_is_read_on_so_that_its_sender_gets_the_answer(
    header: bytes, size: int
) -> None:
    with running(Limits()) as server, server.connect(REFUSED % (size, header)) as caller:
        block = b"x" * MIB
        for _ in range(size // MIB):
            caller.sendall(block)
        answer = read_all(caller, enough=b"answer")

        assert answer.startswith(b"HTTP/1.1 413")
        if not header and size == MIB:
            # Nothing is wrong with the connection.
            caller.sendall(HEAD)
            assert read_all(caller, enough=b"answer").startswith(b"HTTP/1.1 200")


def test_a_client_that_first_sends_and_then_reads_gets_the_refusal() -> None:
    with running(Limits()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/refuse", b"x" * (20 * MIB), {"Connection": "close"})
        assert connection.getresponse().read() == b"answer"
        connection.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_the_refusal() -> None:
    with running(Limits()) as server:
        done = subprocess.run(
            ["curl", "-sS", "-H", "Expect:", "--data-binary", "@-",
             f"http://127.0.0.1:{server.port}/refuse"],
            input=b"x" * (20 * MIB), capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        assert (done.stdout, done.stderr, done.returncode) == (b"answer", b"", 0)


def is_gone(caller: socket.socket) -> bool:
    """Whether one byte more cannot be sent."""
    try:
        caller.send(b"x")
    except OSError:
        return True
    return False


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
def test_reading_on_ends_after_a_while(quick: Running, header: bytes) -> None:
    with quick.connect(REFUSED % (10**12, header)) as caller:
        assert read_all(caller, enough=b"answer")
        wait_until(lambda: is_gone(caller), every=0.05, patience=10)


def test_a_stop_waits_for_no_idle_connection() -> None:
    with running(Limits()) as server:
        kept, half = server.connect(HEAD), server.connect(b"GET / HT")
        read_all(kept, enough=b"answer")
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    kept.close()
    half.close()
