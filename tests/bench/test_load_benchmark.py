"""The load benchmark runs against a real service, and its figures can be true."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.load import data
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
    command += ["--rows", "2000", "--ids", "1,20", "--connections", "1,2", "--seconds", "0.2"]
    command += ["--folder", str(tmp_path / "data"), "--json", str(found)]

    done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(found.read_text(encoding="utf-8"))
    assert [row["rows"] for row in told["datasets"]] == [2000]
    (upload,) = told["upload"]
    assert upload["ids"] == 200
    assert 0 <= upload["api_growth_mib"] < upload["api_peak_mib"]
    rows = told["requests"]
    kinds = ["one INSERT (bare)", "request of 1", "request of 20", "poll"]
    assert [(row["connections"], row["what"]) for row in rows] == [
        (connections, kind) for connections in (1, 2) for kind in kinds
    ]
    for row in rows:
        assert row["requests"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["cpu_ms"] > 0
    for first in (0, len(kinds)):
        bare = rows[first]
        assert (bare["ratio"], bare["cpu_ratio"]) == (1, 1)
        for row in rows[first : first + len(kinds)]:
            assert row["ratio"] == pytest.approx(row["per_second"] / bare["per_second"])
            assert row["cpu_ratio"] == pytest.approx(bare["cpu_ms"] / row["cpu_ms"])
