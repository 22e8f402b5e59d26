"""One job in two processes has one outcome, and one end."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from service.core.settings import Settings
from tests.workers.runner.plans import heard, make_room, refusal, run, supervise
from workers.device import DeviceError, choose_device, count_processes, threads_of_each
from workers.lifecycle.leases import CancelledError
from workers.plan import Unlearned, UnlearnPlan
from workers.progress import RunProgress
from workers.supervision import RunFailedError
from workers.unlearning.ranks import Ranks


@pytest.fixture
def plan(unlearning: UnlearnPlan) -> UnlearnPlan:
    parameters = {"passes": 0.1, "max_passes": 0.1, "min_steps": 40}
    return unlearning.model_copy(update={"method": "distil", "parameters": parameters})


@pytest.fixture
def in_two(plan: UnlearnPlan, monkeypatch: pytest.MonkeyPatch) -> UnlearnPlan:
    monkeypatch.setenv("UNLEARND_PROCESSES", "2")
    plan.staging.mkdir(exist_ok=True)
    return plan


def children(parent: int) -> list[int]:
    """The processes that were started by it, and are those of a run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent and b"spawn_main" in line:
            found.append(int(folder.name))
    return sorted(found)


def launcher(work: Path) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(work).encode() in line:
            return int(folder.name)
    return None


def test_two_processes_come_to_what_one_comes_to(
    plan: UnlearnPlan, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both add up the same numbers in another order, which eight bits would round to others.
    monkeypatch.setenv("UNLEARND_PRECISION", "float32")
    alone = run(plan, tmp_path / "work")
    first = load_file(plan.staging / "model.safetensors")

    monkeypatch.setenv("UNLEARND_PROCESSES", "2")
    told: list[RunProgress] = []
    make_room(plan, tmp_path / "work")
    together = supervise(plan, tmp_path / "work", quick, heard(told))

    assert isinstance(alone, Unlearned)
    assert isinstance(together, Unlearned)
    second = load_file(plan.staging / "model.safetensors")
    assert all(torch.allclose(first[name], second[name], atol=2e-3) for name in first)
    written = json.loads((plan.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert written["device"]["processes"] == 2
    assert written["audit"]["remaining"]["size"] == 1157
    # One of them speaks, so that no figure is told twice.
    fractions = [point["fraction"] for point in told[-1].metrics if "loss_first" in point]
    assert len(fractions) == len(set(fractions))
    assert together.audit["level"] == alone.audit["level"]


def test_if_one_process_dies_the_run_ends_and_says_so(
    in_two: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(progress: RunProgress) -> bool:
        if progress.phase != "loading" and not killed:
            parent = launcher(tmp_path / "work")
            assert parent is not None
            ranks = children(parent)
            os.kill(ranks[-1], signal.SIGKILL)
            killed.extend(ranks)
        return False

    endless = in_two.model_copy(update={"parameters": {"min_steps": 10**6}})
    with pytest.raises(RunFailedError, match=r"Process \d of 2 ended with SIG"):
        supervise(endless, tmp_path / "work", quick, kill_one)

    assert len(killed) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in killed)


def test_cancelling_ends_every_process(
    in_two: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    seen: list[int] = []

    def cancel(progress: RunProgress) -> bool:
        parent = launcher(tmp_path / "work")
        if progress.phase != "loading" and parent is not None:
            seen.extend(children(parent))
        return bool(seen)

    endless = in_two.model_copy(update={"parameters": {"min_steps": 10**6}})
    with pytest.raises(CancelledError):
        supervise(endless, tmp_path / "work", quick, cancel)

    assert len(set(seen)) == 2
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in seen):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_all_processes_refuse_is_a_refusal(in_two: UnlearnPlan, tmp_path: Path) -> None:
    wrong = in_two.model_copy(update={"module": "nonesuch"})
    assert "nonesuch" in refusal(wrong, tmp_path / "work")


def test_one_process_a_gpu_and_threads_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert count_processes("auto", None) == 4
    assert count_processes("cpu", None) == 1
    assert count_processes("auto", 2) == 2
    assert threads_of_each(8, Ranks(0, 4)) == 2
    assert threads_of_each(1, Ranks(0, 4)) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto", Ranks(3, 4)) == torch.device("cuda", 3)
    with pytest.raises(DeviceError, match="UNLEARND_PROCESSES is 5, and torch sees 4 CUDA"):
        choose_device("auto", Ranks(0, 5))
