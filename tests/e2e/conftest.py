"""The whole service in its own processes, on a home and a port of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.core.settings import Settings
from tests.conftest import ANYWHERE, plain_environment
from tests.waiting import wait_until

LEASE_SECONDS = 3.0
# Between two looks at what takes seconds: the cores are for the runs.
CALM_SECONDS = 0.3
AUTO: dict[str, Any] = {"method": "auto"}
# Long enough to be met while it unlearns, and no longer.
SLOW: dict[str, Any] = {
    "method": "laf",
    "method_parameters": {
        "density_steps": 100,
        "min_steps": 300,
        "max_steps": 300,
        "max_rewinds": 1,
    },
}


@dataclass(frozen=True)
class Service:
    """A running `unlearnd up`."""

    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path
    http: httpx2.Client

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def register(
        self, described: dict[str, Any], name: str = "digits", method: dict[str, Any] = AUTO
    ) -> None:
        """Register dataset and model as the demo made them, and wait until both are ready."""
        pixels = {
            "column": "pixels",
            "kind": "array",
            "shape": described["shape"],
            "scale": described["scale"],
        }
        self.post(
            "/v1/datasets",
            {
                "name": name,
                "uri": described["train"],
                "holdout_uri": described["holdout"],
                "id_column": "sample_id",
                "label_column": "label",
                "inputs": [pixels],
            },
        )
        self.becomes_ready(f"/v1/datasets/{name}")
        self.register_model(described, name, dataset=name, method=method)

    def register_model(
        self, described: dict[str, Any], name: str, *, dataset: str, method: dict[str, Any] = AUTO
    ) -> None:
        """Register the demo's model under this name, and wait until it is ready."""
        self.post(
            "/v1/models",
            {
                "name": name,
                "dataset": dataset,
                "source_uri": described["model"],
                **method,
                "architecture": {"kind": "module", "factory": described["factory"]},
            },
        )
        self.becomes_ready(f"/v1/models/{name}")

    def becomes_ready(self, path: str) -> None:
        checked = self.checked(path)
        assert checked["state"] == "ready", checked["reason"]

    def checked(self, path: str) -> dict[str, Any]:
        """A dataset or a model, once a worker has looked at it."""
        found: dict[str, Any] = wait_until(lambda: self._checked(path), every=CALM_SECONDS)
        return found

    def _checked(self, path: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.get(path)
        return found if found["state"] in ("ready", "invalid") else None

    def delete(self, sample_ids: list[str], dataset: str = "digits") -> dict[str, Any]:
        body = {"dataset": dataset, "sample_ids": sample_ids}
        accepted: dict[str, Any] = self.post("/v1/deletion-requests", body)
        return accepted

    def request(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/deletion-requests/{request_id}")
        return found

    def completes(self, request_id: str) -> dict[str, Any]:
        """The request, once it waits for nothing more."""
        ended = wait_until(lambda: self._ended(request_id), every=CALM_SECONDS)
        assert ended["status"] == "completed", ended
        result: dict[str, Any] = ended
        return result

    def _ended(self, request_id: str) -> dict[str, Any] | None:
        found = self.request(request_id)
        return found if found["status"] not in ("staged", "processing") else None

    def job_in_phase(self, phase: str) -> dict[str, Any]:
        def look() -> Any:
            running = self.get("/v1/jobs", state="running")["items"]
            return next((job for job in running if job["phase"] == phase), None)

        job: dict[str, Any] = wait_until(look)
        return job

    def pids(self, *words: str) -> list[int]:
        """The processes below `unlearnd up` whose command line holds all these words."""
        return [
            pid
            for pid in descendants(self.process.pid)
            if all(word in command_line(pid) for word in words)
        ]

    def went_on(self) -> bool:
        """Whether an attempt at a job had something to go on from."""
        return "goes on from what an earlier attempt kept" in self.log.read_text(encoding="utf-8")

    def kill_worker(self) -> None:
        """SIGKILL for the worker that runs jobs. Its run must die with it."""
        runs = self.pids("workers.runner")
        (worker,) = self.pids("workers.app", "-Q gpu")
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not any(command_line(pid) for pid in runs), patience=10)

    def stop(self) -> None:
        """SIGTERM, and everything is gone soon after."""
        below = descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text(encoding="utf-8")[-3000:]
        left = [command_line(pid) for pid in below if command_line(pid)]
        assert left == []


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text(encoding="utf-8").split():
            found += [int(child), *descendants(int(child))]
    return found


def command_line(pid: int) -> str:
    """Empty for a process that is gone, or that is dead and not yet reaped."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """`unlearnd up` on the test's own database, with short leases."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(settings.model_copy(update={"port": port}), tmp_path / "up.log") as up:
        yield up


@contextmanager
def running(settings: Settings, log: Path) -> Iterator[Service]:
    """`unlearnd up` with these settings, ready, and ended at the end if it has not been before."""
    env = plain_environment(
        UNLEARND_HOME=str(settings.home_dir),
        UNLEARND_PORT=str(settings.port),
        UNLEARND_SOURCES=ANYWHERE,
        UNLEARND_DATABASE_URL=settings.database_url or "",
        UNLEARND_REDIS_URL=settings.redis_url or "",
        UNLEARND_REDIS_PREFIX=settings.redis_prefix,
        UNLEARND_LEASE_SECONDS=str(LEASE_SECONDS),
        UNLEARND_DISPATCH_INTERVAL_SECONDS="0.2",
        UNLEARND_RING_AGAIN_SECONDS="3",
        UNLEARND_SAVE_INTERVAL_SECONDS="0.5",
        UNLEARND_DEVICE="cpu",
        UNLEARND_THREADS="1",
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "up"], env=env, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{settings.port}"
    try:
        wait_until(lambda: settings.admin_key_file.exists() and is_ready(url, process), every=0.1)
        key = settings.admin_key_file.read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            yield Service(process, settings, log, http)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "unlearnd up ended"
    try:
        return httpx2.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
