"""A run that is killed goes on where it was, and publishes the same bytes as an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.core.settings import Settings
from tests.workers.runner.killed_runs import KILLS
from workers.plan import UnlearnPlan

SHORT: dict[str, Any] = {
    "min_steps": 12,
    "max_steps": 12,
    "earliest_stop": 4,
    "check_every": 4,
    "density_steps": 20,
}


@pytest.fixture
def attempts(unlearning: UnlearnPlan, quick: Settings, tmp_path: Path) -> list[dict[str, Any]]:
    """The undisturbed run, and one that is killed in every phase and goes on each time."""
    assert quick.save_interval_seconds == 60
    plan = unlearning.model_copy(update={"parameters": SHORT})
    file = tmp_path / "work" / "plan.json"
    file.write_text(plan.model_dump_json(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.workers.runner.killed_runs", str(file)],
        env=os.environ | {"UNLEARND_SAVE_INTERVAL_SECONDS": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def test_a_run_that_is_killed_in_every_phase_publishes_the_same_bytes(
    attempts: list[dict[str, Any]],
) -> None:
    undisturbed, *killed, last = attempts

    assert [tuple(attempt["kill"]) for attempt in killed] == KILLS
    assert [attempt["status"] for attempt in killed] == [-9] * len(KILLS)
    assert (undisturbed["status"], last["status"]) == (0, 0)
    # The digest covers weights, provenance, audit and verdict.
    assert undisturbed["digest"] == last["digest"] is not None
    # Phases that are over are not done again: of these, there is nothing to tell.
    phases = [set(attempt["told"]) for attempt in killed]
    assert phases[4] == {"loading", "unlearning"}
    assert phases[5] == {"loading", "unlearning", "auditing"}
    assert set(last["told"]) == {"loading", "auditing", "publishing"}
    assert set(undisturbed["told"]) == {*phases[1], "modelling", "unlearning", *last["told"]}
