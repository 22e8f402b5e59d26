"""A measurement's process: new, and never left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.processes import in_a_process
from tests.waiting import is_running, wait_until

ROOT = Path(__file__).parents[2]
ENDLESS = """
import sys
from pathlib import Path
from bench.processes import in_a_process
from tests.bench.test_processes import tell_and_sleep

if __name__ == "__main__":
    in_a_process(tell_and_sleep, Path(sys.argv[1]))
"""


def tell_and_sleep(file: Path) -> None:
    file.write_text(f"{os.getpid()}.", encoding="ascii")
    time.sleep(600)


def raise_value_error(what: str) -> None:
    raise ValueError(what)


def test_it_gives_back_what_came_of_it() -> None:
    assert in_a_process(os.path.basename, "images/shirt") == "shirt"
    with pytest.raises(ValueError, match="no such image"):
        in_a_process(raise_value_error, "no such image")


def test_it_ends_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "endless.py", tmp_path / "pid"
    script.write_text(ENDLESS, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # The killed one's semaphores are complained of.
    with (
        (tmp_path / "stderr").open("wb") as errors,
        subprocess.Popen(
            [sys.executable, str(script), str(told)], env=environment, stderr=errors
        ) as started,
    ):
        wait_until(lambda: told.exists() and told.read_text().endswith("."))
        pid = int(told.read_text().removesuffix("."))
        assert is_running(pid)
        started.kill()

    wait_until(lambda: not is_running(pid), patience=10)
