"""Drills: storage that is full, damaged or away."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.core.tables import JobState, RequestState
from tests.faults.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(stack: Stack) -> Iterator[Path]:
    """The storage on a file system of 4 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    kept = stack.storage.with_name("kept")
    stack.storage.rename(kept)
    stack.storage.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(stack.storage)]
    subprocess.run(mount, check=True)
    subprocess.run(["cp", "-a", f"{kept}/.", str(stack.storage)], check=True)
    try:
        yield stack.storage
    finally:
        stack.end_processes()
        subprocess.run(["umount", str(stack.storage)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room."""
    ballast = disk / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(file, b"x" * 4096)
    except OSError:
        return ballast
    finally:
        os.close(file)


def test_a_full_disk_fails_attempts_and_leaves_no_half_version(
    stack: Stack, small_disk: Path
) -> None:
    ballast = fill(small_disk)
    stack.dispatcher()
    stack.worker()
    stack.delete(0)

    (reason, *_) = wait_until(lambda: stack.reasons("job.requeued"), patience=60)
    assert "No space left" in reason
    assert len(list(stack.storage.glob("models/*/*"))) == 1
    ballast.unlink()

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.versions() == 2


@pytest.mark.parametrize("harm", ["damaged", "cut short", "missing"])
def test_a_damaged_parent_is_refused_with_a_reason_and_mended_by_its_repair(
    stack: Stack, harm: str
) -> None:
    (parent,) = stack.storage.glob("models/*/*/model.safetensors")
    whole = parent.read_bytes()
    harmed = whole[:-1] + bytes([whole[-1] ^ 1]) if harm == "damaged" else whole[:100]
    parent.write_bytes(harmed)
    if harm == "missing":
        parent.unlink()
    stack.dispatcher()
    stack.worker()
    request = stack.delete(0)

    failed = stack.state_is(JobState.FAILED)
    assert "model.safetensors" in (failed.reason or "")
    assert failed.attempt == 1
    stack.all_are(RequestState.FAILED)
    parent.write_bytes(whole)
    stack.retry(request)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.versions() == 2


def test_a_storage_that_is_away_costs_attempts_and_comes_back(stack: Stack) -> None:
    """What is there instead is a file: whatever is to be read or made below it fails."""
    away = stack.storage.with_name("away")
    stack.storage.rename(away)
    stack.storage.touch()
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)

    worker.has_said("attempt failed", patience=60)
    stack.storage.unlink()
    away.rename(stack.storage)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.versions() == 2
