"""Uploads to a real server: slow ones, broken ones, large ones, and a full disk."""

import re
import resource
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from service.api.uploads import UPLOADS as AT_A_TIME
from service.core.db import Database
from tests.service.calls import REQUESTS
from tests.service.serving import Served
from tests.service.test_accepting_requests import NOTHING_STORED, stored
from tests.service.test_many_at_once import ARE_USED, connections
from tests.waiting import wait_until

PATH = f"{REQUESTS}/uploads?dataset=digits"
MIB = 1024 * 1024


def spools(served: Served) -> int:
    """How many files without a name the process holds open."""
    links = []
    for fd in Path(f"/proc/{served.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It was closed a moment ago.
            links.append(str(fd.readlink()))
    return len([link for link in links if "/uploads/" in link and link.endswith("(deleted)")])


def peak_memory(served: Served) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{served.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def begun(served: Served, body: bytes, key: str | None = None) -> socket.socket:
    """A connection on which an upload has begun, and does not end."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or served.key}\r\n"
        "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b""
    connection.sendall(head.encode() + chunk)
    return connection


def send(served: Served, body: Iterator[bytes] | bytes) -> tuple[int, str]:
    headers = served.headers | {"Content-Type": "text/plain"}
    request = urllib.request.Request(served.url + PATH, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.usefixtures("cnn")
def test_slow_and_broken_uploads_hold_nothing_and_leave_nothing(
    served: Served, database: Database, session: Session
) -> None:
    with begun(served, b"", key="x") as stranger:
        # Nothing of the body was sent, and nothing of it is waited for.
        assert stranger.recv(12) == b"HTTP/1.1 401"
    slow = [begun(served, b"s-1\ns-2\n") for _ in range(AT_A_TIME)]
    wait_until(lambda: spools(served) == AT_A_TIME)
    # Not later: whoever pauses for too long is sent away, and holds nothing any more.
    assert connections(database, ARE_USED) == 0
    assert spools(served) == AT_A_TIME
    assert served.call("GET", "/v1/datasets/digits")[0] == 200

    for connection in slow:
        connection.close()

    wait_until(lambda: spools(served) == 0)
    assert send(served, b"s-3\n")[0] == 202
    assert stored(session) == (1, 1, 1)
    assert "Traceback" not in served.log.read_text(encoding="utf-8")


@pytest.mark.usefixtures("cnn")
def test_a_large_upload_is_in_no_memory_and_a_full_disk_is_told(
    served: Served, session: Session
) -> None:
    line = b"x" * 255 + b"\n"

    def body() -> Iterator[bytes]:
        for _ in range(40):
            yield line * (MIB // len(line))
        yield b"\n"

    send(served, b"\n")
    before = peak_memory(served)
    status, problem = send(served, body())
    assert (status, "is empty" in problem) == (422, True)
    assert peak_memory(served) - before < 24 * MIB

    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (MIB, MIB))
    status, problem = send(served, line * 8000)
    assert (status, "/problems/insufficient-storage" in problem) == (507, True)
    assert spools(served) == 0
    assert stored(session) == NOTHING_STORED
