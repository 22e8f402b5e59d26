"""The API as its own process, called over sockets."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from service.core.settings import Settings
from tests.conftest import plain_environment
from tests.waiting import wait_until


@dataclass(frozen=True)
class Served:
    """A running `unlearnd api`."""

    port: int
    key: str
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            text = None if body is None else json.dumps(body)
            sent = self.headers | ({"Content-Type": "application/json"} if text else {})
            connection.request(method, path, text, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def ask(self, path: str) -> socket.socket:
        """A connection that has asked for something, and reads nothing of the answer yet."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n\r\n"
        connection.sendall(head.encode())
        return connection


@contextmanager
def serving(settings: Settings, key: str, log: Path, **named: str) -> Iterator[Served]:
    """`unlearnd api` with these settings for the length of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = plain_environment(
        UNLEARND_HOME=str(settings.home_dir),
        UNLEARND_DATABASE_URL=settings.database_url or "",
        UNLEARND_PORT=str(port),
        **named,
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "api"], env=env, stdout=output, stderr=output
        )
    try:
        served = Served(port, key, process.pid, log)
        wait_until(lambda: is_alive(served, process), every=0.1, patience=60)
        yield served
    finally:
        process.terminate()
        process.wait(60)


def is_alive(served: Served, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, served.log.read_text(encoding="utf-8")
    try:
        return httpx2.get(f"{served.url}/livez", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
