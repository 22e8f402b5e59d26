"""One job in two processes is one job: the same decisions, one outcome, and one end."""

import json
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from service.core.settings import Settings
from tests.workers.runner.plans import QUICK, heard, run, supervise
from workers.data.samples import MappedSamples
from workers.device import DeviceError, choose_device, count_processes, threads_of_each
from workers.plan import Refused, Unlearned, UnlearnPlan
from workers.progress import RunProgress
from workers.runner.loading import load_sets
from workers.supervision import RunFailedError
from workers.unlearning.ranks import Ranks
from workers.zoo import digits_cnn

METHODS: dict[str, dict[str, Any]] = {
    "distil": {"passes": 1.0, "max_passes": 1.0, "min_steps": 100},
    "redirect": {},
    "laf": QUICK,
}


@pytest.fixture
def in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARND_PROCESSES", "2")


def logits_of(plan: UnlearnPlan, work: Path) -> torch.Tensor:
    """What the version that was just written says of the held-out samples."""
    network = digits_cnn()
    network.load_state_dict(load_file(plan.staging / "model.safetensors"))
    import numpy as np

    pixels = np.load(work / "holdout.npy", mmap_mode="r")
    samples = MappedSamples(pixels, np.arange(len(pixels)), plan.data.scale)
    with torch.no_grad():
        answers: torch.Tensor = network(samples.batch(torch.arange(len(samples))))
    return answers


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_come_to_what_one_comes_to(
    unlearning: UnlearnPlan,
    quick: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    work = tmp_path / "work"
    plan = unlearning.model_copy(update={"method": method, "parameters": METHODS[method]})

    alone = run(plan, quick, work)
    first, weights = logits_of(plan, work), load_file(plan.staging / "model.safetensors")
    monkeypatch.setenv("UNLEARND_PROCESSES", "2")
    together = run(plan, quick, work)
    second, others = logits_of(plan, work), load_file(plan.staging / "model.safetensors")

    assert isinstance(alone, Unlearned)
    assert isinstance(together, Unlearned)
    assert (first.argmax(1) == second.argmax(1)).double().mean() >= 0.99
    for name, tensor in weights.items():
        assert torch.allclose(tensor, others[name], atol=1e-2), name
    told = json.loads((plan.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert told["device"]["processes"] == 2
    assert told["method"]["summary"]["remaining"] == 1157
