"""The benchmark of the gate makes networks that are as good, or as bad, as they are named."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.gate.candidates import BAD, GOOD

NETWORKS = ("retrained", "a class collapsed", "15 % of weights zeroed")


def asked_of_the_gate(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.gate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the command prints, and what it writes about each network."""
    folder = tmp_path_factory.mktemp("networks")
    file = folder / "told.json"
    task = ("--images", "digits", "--tasks", "random-10", "--seeds", "1")
    kept = ("--cache", str(folder), "--json", str(file))
    printed = asked_of_the_gate(*task, *kept, "--networks", ";".join(NETWORKS)).stdout
    found = json.loads(file.read_text(encoding="utf-8"))["networks"]
    return printed, {one["network"]: one for one in found}


def test_a_retrained_network_passes_and_ruined_ones_do_not(
    told: tuple[str, dict[str, Any]],
) -> None:
    _, found = told

    assert list(found) == list(NETWORKS)
    assert [found[name]["passes"] for name in NETWORKS] == [True, False, False]
    assert [found[name]["good"] for name in NETWORKS] == [True, False, False]
    # Labels say the same.
    assert found["a class collapsed"]["better"] < -3
    assert found["retrained"]["better"] > found["15 % of weights zeroed"]["better"]


def test_the_command_prints_the_verdict_on_each_network(
    told: tuple[str, dict[str, Any]],
) -> None:
    printed, _ = told

    assert "passes, by disputes" in printed
    for name in NETWORKS:
        assert name in printed


def test_a_network_that_it_cannot_make_is_refused_by_name() -> None:
    ended = asked_of_the_gate("--networks", "perfect", check=False)

    assert ended.returncode == 2
    assert "unknown networks: perfect" in ended.stderr


def test_good_and_bad_networks_have_names_of_their_own() -> None:
    assert not set(GOOD) & set(BAD)
