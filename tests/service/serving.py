"""The API as its own process, called over sockets."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2

from service.core.settings import Settings
from tests.conftest import plain_environment
from tests.service.cli import forked
from tests.service.cli.running import forks
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
    process = forks().Process(target=forked.main, args=(("api",), env, log, log), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        served = Served(port, key, process.pid, log)
        wait_until(lambda: is_alive(served, process), every=0.1, patience=60)
        yield served
    finally:
        process.terminate()
        process.join(60)
        assert process.exitcode is not None, "unlearnd api does not end"


def is_alive(served: Served, process: BaseProcess) -> bool:
    assert process.is_alive(), served.log.read_text(encoding="utf-8")
    try:
        return httpx2.get(f"{served.url}/livez", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
