"""The parts of the benchmark. Each returns rows for its table."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from bench.load.client import Next, NothingLeftError, closed_loop, message
from bench.load.data import sample_id, write_dataset, write_model
from bench.load.servers import Bare, Service, cpu_seconds, plain_environment

REQUESTS = "/v1/deletion-requests"
LINES_AT_ONCE = 10_000


class FailedError(RuntimeError):
    """The service did not do what is to be measured."""


def settled(service: Service, path: str) -> dict[str, Any]:
    """A dataset or a model, once a worker has looked at it.

    Raises:
        FailedError: it is invalid.
    """
    with service.http as http:
        while True:
            found: dict[str, Any] = http.get(path).raise_for_status().json()
            if found["state"] == "ready":
                return found
            if found["state"] == "invalid":
                raise FailedError(str(found["reason"]))
            time.sleep(0.05)


def register(service: Service, kind: str, body: dict[str, Any]) -> float:
    """Seconds from the POST to `ready`."""
    started = time.perf_counter()
    with service.http as http:
        http.post(f"/v1/{kind}", json=body).raise_for_status()
    settled(service, f"/v1/{kind}/{body['name']}")
    return time.perf_counter() - started


def datasets(service: Service, folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    found = []
    for rows in sizes:
        body = write_dataset(folder, rows)
        seconds = register(service, "datasets", body)
        found.append({"rows": rows, "seconds": seconds, "rows_per_second": rows / seconds})
    name = f"rows-{sizes[-1]}"
    register(service, "models", write_model(folder, name))
    return found


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def upload(service: Service, rows: int, ids: int) -> dict[str, Any]:
    """One upload of the first rows of the largest dataset, and what it took of the API's memory."""
    pid = service.api_pid()
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")  # The peak begins anew.
    before = peak_mib(pid)

    def lines() -> Iterator[bytes]:
        for start in range(0, ids, LINES_AT_ONCE):
            some = range(start, min(ids, start + LINES_AT_ONCE))
            yield "".join(f"{sample_id(row)}\n" for row in some).encode()

    started, computed = time.perf_counter(), cpu_seconds(service.pid)
    with service.http as http:
        answer = http.post(
            f"{REQUESTS}/uploads",
            params={"dataset": f"rows-{rows}"},
            content=lines(),
            headers={"Content-Type": "text/plain"},
        ).raise_for_status()
    seconds = time.perf_counter() - started
    computed = cpu_seconds(service.pid) - computed
    if answer.json()["counts"]["staged"] != ids:
        raise FailedError(f"Not all were staged: {answer.json()['counts']}")
    return {
        "rows": rows,
        "ids": ids,
        "seconds": seconds,
        "cpu_seconds": computed,
        "ids_per_second": ids / seconds,
        "api_peak_mib": peak_mib(pid),
        "api_growth_mib": peak_mib(pid) - before,
    }


class Requests:
    """Requests for samples that nobody has asked for yet."""

    def __init__(self, key: str, rows: int, first: int) -> None:
        self._key = key
        self._rows = rows
        self._free = first

    def of(self, ids: int) -> bytes | None:
        if self._free + ids > self._rows:
            return None
        named = range(self._free, self._free + ids)
        self._free += ids
        body = {"dataset": f"rows-{self._rows}", "sample_ids": [sample_id(row) for row in named]}
        return message("POST", REQUESTS, key=self._key, body=body)


class Loops:
    """Loops against the service and beside it, and what both cost in processor time.

    Where others use the machine, seconds by the clock say more about them than about the service.
    """

    def __init__(self, service: Service, bare: Bare, how: dict[str, Any]) -> None:
        self._pids = (service.pid, bare.pid)
        self._how = how
        self._floor: dict[str, Any] = {}

    def run(self, what: str, port: int, following: Next, status: int) -> dict[str, Any]:
        """One loop. The first one is the floor that the others are compared with.

        Raises:
            FailedError: there was too little to ask for.
        """
        before = cpu_seconds(*self._pids)
        try:
            measured = closed_loop(port, following, status=status, **self._how)
        except NothingLeftError as error:
            text = f"Too few samples are left for a {what}: give larger --rows."
            raise FailedError(text) from error
        row: dict[str, Any] = {
            "what": what,
            "connections": self._how["connections"],
            "requests": measured.requests,
            "seconds": measured.seconds,
            "per_second": measured.per_second,
            "p50_ms": measured.p50 * 1000,
            "p99_ms": measured.p99 * 1000,
            "cpu_ms": (cpu_seconds(*self._pids) - before) * 1000 / measured.requests,
        }
        floor = self._floor = self._floor or row
        row["ratio"] = row["per_second"] / floor["per_second"]
        row["cpu_ratio"] = floor["cpu_ms"] / row["cpu_ms"] if row["cpu_ms"] else None
        return row


def requests(
    service: Service,
    bare: Bare,
    *,
    rows: int,
    first: int,
    ids: list[int],
    connections: list[int],
    seconds: float,
) -> list[dict[str, Any]]:
    """Creating and polling, each beside the bare endpoint at as many connections."""
    source = Requests(service.key, rows, first)
    with service.http as http:
        asked = {"dataset": f"rows-{rows}", "sample_ids": [sample_id(first)]}
        made = http.post(REQUESTS, json=asked).raise_for_status().json()
    look = message("GET", f"{REQUESTS}/{made['id']}", key=service.key)
    insert = message("POST", "/rows", body={"body": "x" * 100})
    found = []
    for at_once in connections:
        loops = Loops(service, bare, {"connections": at_once, "seconds": seconds})
        found.append(loops.run("one INSERT (bare)", bare.port, lambda: insert, 202))
        for number in ids:
            what = f"request of {number:,}"
            found.append(loops.run(what, service.port, partial(source.of, number), 202))
        found.append(loops.run("poll", service.port, lambda: look, 200))
    return found


def latency(service: Service, folder: Path, jobs: int) -> list[dict[str, Any]]:
    """Seconds from accepting a request to the start of its job, one request at a time."""
    target = folder / "digits"
    described = target / "demo.json"
    if not described.exists():
        command = ["workers.demo", "prepare", "--dataset", "digits", str(target)]
        env = plain_environment(UNLEARND_THREADS="1")
        subprocess.run([sys.executable, "-m", *command], check=True, env=env)
    demo = json.loads(described.read_text(encoding="utf-8"))
    pixels = {**PIXELS_OF_DEMO, "shape": demo["shape"], "scale": demo["scale"]}
    register(
        service,
        "datasets",
        {
            "name": "digits",
            "uri": demo["train"],
            "holdout_uri": demo["holdout"],
            "id_column": "sample_id",
            "inputs": [pixels],
        },
    )
    register(
        service,
        "models",
        {
            "name": "digits",
            "dataset": "digits",
            "source_uri": demo["model"],
            "architecture": {"kind": "module", "factory": demo["factory"]},
        },
    )
    return [started_after(service, demo["forget"][number]) for number in range(jobs)]


PIXELS_OF_DEMO = {"column": "pixels", "kind": "array"}
OVER = ("published", "needs_review", "failed", "cancelled")


def started_after(service: Service, sample: str) -> dict[str, Any]:
    """Delete one sample, and wait for its job to end, so that the next one has a free worker."""
    with service.http as http:
        body = {"dataset": "digits", "sample_ids": [sample]}
        asked = http.post(REQUESTS, json=body).raise_for_status().json()
        for _ in count():
            shown = http.get(f"{REQUESTS}/{asked['id']}").raise_for_status().json()
            if shown["jobs"] and shown["jobs"][-1]["state"] in OVER:
                break
            time.sleep(0.1)
        job = http.get(shown["jobs"][-1]["href"]).raise_for_status().json()
    moments = [datetime.fromisoformat(at) for at in (asked["accepted_at"], job["started_at"])]
    return {
        "accepted_to_started": (moments[1] - moments[0]).total_seconds(),
        "started_to_ended": (
            datetime.fromisoformat(job["finished_at"]) - moments[1]
        ).total_seconds(),
        "state": job["state"],
    }
