"""Scratch space that does not outlive its run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.core.settings import Settings
from workers.workspace import sweep, workspace

HOLD = """
import sys, time
from pathlib import Path
from service.core.settings import Settings
from workers.workspace import workspace
with workspace(Settings(home=Path(sys.argv[1])), "run") as space:
    (space.path / "embeddings.npy").write_text("made from samples")
    (space.staging / "model.safetensors").write_text("half a version")
    print("ready", flush=True)
    time.sleep(60)
"""


def nobody(_owners: set[str]) -> set[str]:
    """No job waits or runs."""
    return set()


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def left_behind(place: Settings) -> list[str]:
    roots = (place.scratch_dir, place.storage_dir / ".staging")
    return [path.name for root in roots for path in root.glob("run*")]


def test_both_directories_are_gone_after_the_run_and_after_an_error(place: Settings) -> None:
    with workspace(place, "run") as space:
        (space.path / "embeddings.npy").write_text("made from samples")
        (space.staging / "model.safetensors").write_text("half a version")
    assert left_behind(place) == []

    with pytest.raises(RuntimeError), workspace(place, "run"):
        raise RuntimeError
    assert left_behind(place) == []


def test_a_storage_that_is_away_leaves_nothing_either(place: Settings) -> None:
    place.storage_dir.parent.mkdir(parents=True, exist_ok=True)
    place.storage_dir.touch()

    with pytest.raises(OSError, match="storage"), workspace(place, "run"):
        pytest.fail("There is no storage.")

    assert left_behind(place) == []


def test_what_a_killed_worker_leaves_is_swept_and_what_a_live_one_uses_is_not(
    place: Settings,
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place.home_dir)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"

    assert sweep(place, nobody) == 0
    assert "run" in left_behind(place)

    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert sweep(place, nobody) == 1
    assert left_behind(place) == []


def test_a_space_in_use_is_not_given_twice(place: Settings) -> None:
    with (
        workspace(place, "run"),
        pytest.raises(RuntimeError, match="in use"),
        workspace(place, "run"),
    ):
        pass
