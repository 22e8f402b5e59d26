"""The service and the bare endpoint, each in processes of its own, on the same two servers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

START_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """A running `unlearnd up` with embedded servers."""

    port: int
    key: str
    home: Path
    pid: int

    @property
    def http(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=600,
            trust_env=False,
        )

    def api_pid(self) -> int:
        """The process that answers.

        Raises:
            RuntimeError: there is none.
        """
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"api" in words:
                return int(child)
        raise RuntimeError("No process of the service is its API.")


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text(encoding="utf-8").split():
            found += [int(child), *descendants(int(child))]
    return found


def cpu_seconds(*pids: int) -> float:
    """What these processes and all below them have computed so far. Who has ended is left out."""
    total = 0
    for pid in [*pids, *(below for top in pids for below in descendants(top))]:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        user, system = stat.rpartition(")")[2].split()[11:13]
        total += int(user) + int(system)
    return total / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def plain_environment(**named: str) -> dict[str, str]:
    """The environment without any setting of the service but these."""
    return {k: v for k, v in os.environ.items() if not k.startswith("UNLEARND_")} | named


@contextmanager
def process(
    command: list[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block; what it prints is in `log`."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], env=env, stdout=output, stderr=output
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(STOP_SECONDS)


def wait_for(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    """Return once a URL answers 200.

    Raises:
        RuntimeError: the process ended, or took too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        try:
            if httpx2.get(url, timeout=2, trust_env=False).status_code == httpx2.codes.OK:
                return
        except httpx2.TransportError:
            pass  # It does not listen yet.
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer: see {log}.")


@contextmanager
def service(home: Path, data: Path) -> Iterator[Service]:
    """`unlearnd up` on a home of its own; what is registered lies in `data`."""
    home.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), home / "up.log"
    env = plain_environment(
        UNLEARND_HOME=str(home),
        UNLEARND_PORT=str(port),
        UNLEARND_SOURCES=f"file://{data}",
        UNLEARND_DEVICE="cpu",
    )
    with process(["service.cli", "up"], env, log) as up:
        wait_for(f"http://127.0.0.1:{port}/readyz", up, log)
        key = (home / "admin.key").read_text(encoding="utf-8").strip()
        yield Service(port, key, home, up.pid)


@dataclass(frozen=True)
class Bare:
    port: int
    pid: int


@contextmanager
def bare(database_url: str, home: Path) -> Iterator[Bare]:
    """The endpoint that does one INSERT, in one process, as the API is one."""
    port, log = free_port(), home / "bare.log"
    env = plain_environment(BENCH_DATABASE_URL=database_url, BENCH_PORT=str(port))
    with process(["bench.load.bare"], env, log) as server:
        wait_for(f"http://127.0.0.1:{port}/alive", server, log)
        yield Bare(port, server.pid)
