"""The same on a CUDA device as on a CPU: it forgets, keeps, measures, and can be repeated."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from service.core.settings import Settings
from tests.workers.memorised import Digits, samples, state
from tests.workers.runner.plans import run_supervised
from workers.device import choose_compute
from workers.plan import Unlearned, UnlearnPlan
from workers.unlearning.embedding import answer
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method, names

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA device."),
]
CUDA = torch.device("cuda")
# What a method needs beyond its defaults on so few samples.
PARAMETERS: dict[str, dict[str, Any]] = {"distil": {"min_steps": 400}}


@pytest.fixture
def limited() -> Iterator[None]:
    """A process that may have 2 GiB of the device's memory."""
    total = torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2 * 2**30 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture
def on_cuda(unlearning: UnlearnPlan) -> UnlearnPlan:
    return unlearning.model_copy(update={"device": "cuda", "method": "auto", "parameters": {}})


@pytest.mark.parametrize("name", [name for name in names() if name != "laf"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_wrong_labels_are_forgotten_and_the_rest_is_kept(
    memorised_digits: Digits, tmp_path: Path, name: str, precision: Any
) -> None:
    digits = memorised_digits
    compute = choose_compute(CUDA, Ranks(), precision, "never", tmp_path)
    problem = digits.problem(device=CUDA, compute=compute, parameters=PARAMETERS.get(name, {}))
    before = state(digits.parent)

    unlearned = get_method(name).unlearn(problem, lambda _progress: None)

    model = unlearned.model.cpu()
    with torch.no_grad():
        after = model(digits.forgotten).argmax(dim=1)
        kept = model(digits.remaining).argmax(dim=1)
        said = digits.parent(digits.remaining).argmax(dim=1)
    assert (after == digits.given).float().mean() <= 0.1
    assert (after == digits.true).float().mean() >= 0.75
    assert (kept == said).float().mean() >= 0.97
    assert all(torch.equal(before[key], value) for key, value in state(digits.parent).items())


def test_the_audit_says_the_same_as_on_a_cpu(memorised_digits: Digits) -> None:
    digits = memorised_digits
    unlearned = get_method("redirect").unlearn(digits.problem(device=CUDA), lambda _progress: None)
    model = unlearned.model.cpu()

    there = digits.measure(model, device=CUDA).to_dict()
    here = digits.measure(model).to_dict()

    assert there["level"] == here["level"]
    for name in ("remaining", "forgotten", "holdout"):
        assert there[name]["agreement"] == pytest.approx(here[name]["agreement"], abs=0.005)
        assert there[name]["kl"] == pytest.approx(here[name]["kl"], abs=1e-3)
    told, expected = (found["contradiction"]["before"] for found in (there, here))
    assert told["excess"] == pytest.approx(expected["excess"], abs=0.03)


def test_a_run_can_be_repeated_to_the_byte(
    on_cuda: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    """Promise: a version is reproducible from its `unlearning.json` on the same kind of device."""
    first = run_supervised(on_cuda, quick, tmp_path / "work")
    second = run_supervised(on_cuda, quick, tmp_path / "work")

    assert isinstance(first, Unlearned)
    assert isinstance(second, Unlearned)
    assert first.written.digest == second.written.digest
    told = json.loads((on_cuda.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert told["device"]["kind"] == "cuda"
    assert told["device"]["name"] == torch.cuda.get_device_name()


@pytest.mark.usefixtures("limited")
def test_a_batch_that_does_not_fit_is_halved_on_the_device(
    memorised_digits: Digits, tmp_path: Path
) -> None:
    # 64 pixels to 16,384 channels of 64: 4 MiB a sample, so that 2 GiB hold less than 512.
    wide = nn.Sequential(nn.Conv2d(1, 16_384, 1), nn.ReLU(), nn.Flatten(2), nn.AvgPool1d(64))
    model = nn.Sequential(wide, nn.Flatten(), nn.Linear(16_384, 10)).to(CUDA).eval()
    compute = choose_compute(CUDA, Ranks(), "float32", "never", tmp_path)
    inputs = memorised_digits.remaining

    halved = answer(model, samples(inputs), torch.arange(900), CUDA, 900, compute=compute)
    whole = answer(model, samples(inputs), torch.arange(900), CUDA, 32)

    assert 0 < compute.room.found["embedding"] < 900
    assert torch.allclose(halved, whole, atol=1e-4)
