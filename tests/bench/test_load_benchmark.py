"""The load benchmark runs against a real service, and its figures can be true."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow.parquet as pq
import pytest

from bench.load import client, data
from tests.conftest import plain_environment


def test_ids_are_known_without_reading_them_and_no_two_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "ROWS_AT_ONCE", 300)

    data.write_dataset(tmp_path, 1000)

    ids = pq.read_table(tmp_path / "rows-1000.parquet")["sample_id"].to_pylist()
    assert ids == [data.sample_id(row) for row in range(1000)]
    assert len(set(ids)) == 1000


@pytest.mark.e2e
def test_a_small_run_measures_every_kind_of_call(tmp_path: Path) -> None:
    found = tmp_path / "load.json"
    command = [sys.executable, "-m", "bench.load", "--parts", "upload,requests"]
    command += ["--rows", "20000", "--ids", "1,20", "--connections", "1,2", "--seconds", "0.2"]
    command += ["--folder", str(tmp_path / "data"), "--json", str(found)]

    done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(found.read_text(encoding="utf-8"))
    assert [row["rows"] for row in told["datasets"]] == [20_000]
    (upload,) = told["upload"]
    assert upload["ids"] == 2000
    assert 0 <= upload["api_growth_mib"] < upload["api_peak_mib"]
    rows = told["requests"]
    kinds = ["one INSERT (bare)", "request of 1", "request of 20", "poll"]
    assert [(row["connections"], row["what"]) for row in rows] == [
        (connections, kind) for connections in (1, 2) for kind in kinds
    ]
    for row in rows:
        assert row["requests"] >= client.LEAST
        assert row["seconds"] >= 0.2
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["cpu_ms"] > 0
    for first in (0, len(kinds)):
        bare = rows[first]
        assert (bare["ratio"], bare["cpu_ratio"]) == (1, 1)
        for row in rows[first : first + len(kinds)]:
            assert row["ratio"] == pytest.approx(row["per_second"] / bare["per_second"])
            assert row["cpu_ratio"] == pytest.approx(bare["cpu_ms"] / row["cpu_ms"])


@pytest.fixture
def slow_server() -> Iterator[int]:
    """The port of a server whose every answer takes a twentieth of a second."""

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(0.05)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("connections", [1, 2])
def test_a_loop_goes_on_until_it_has_enough_answers(slow_server: int, connections: int) -> None:
    asked = client.message("GET", "/")

    measured = client.closed_loop(
        slow_server, lambda: asked, connections=connections, seconds=0.01, status=200
    )

    assert client.LEAST <= measured.requests < client.LEAST + connections
    assert measured.seconds >= 0.05 * client.LEAST / connections
    assert 0.05 <= measured.p50 <= measured.p99


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_loop_ends_when_nothing_is_left_to_ask_for(slow_server: int, left: int) -> None:
    requests = iter([client.message("GET", "/")] * left)
    asked = partial(
        client.closed_loop, slow_server, partial(next, requests, None), seconds=60, status=200
    )

    if left < client.FEWEST:
        with pytest.raises(client.NothingLeftError, match=f": {left}"):
            asked(connections=2)
    else:
        measured = asked(connections=2)
        assert measured.requests == left
        assert measured.seconds < 30
