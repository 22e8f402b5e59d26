"""How a run computes, by its settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.workers.memorised import same, state
from tests.workers.runner.networks import summing_cnn
from workers.device import STEPS_WORTH_COMPILING, Precision, choose_compute, suited
from workers.unlearning.compute import Compute
from workers.unlearning.precision import best_precision
from workers.unlearning.ranks import Ranks
from workers.zoo import digits_cnn


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(
    ("asked", "precision", "tensor_float"),
    [
        ("auto", best_precision(torch.device("cpu")), False),
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ],
)
def test_what_is_asked_for_is_set(
    asked: Precision, precision: torch.dtype, tensor_float: bool, tmp_path: Path
) -> None:
    compute = choose_compute(torch.device("cpu"), Ranks(), asked, "auto", tmp_path)

    assert compute.precision == precision
    assert torch.backends.cudnn.allow_tf32 is tensor_float
    wanted = "high" if tensor_float else "highest"
    assert torch.get_float32_matmul_precision() == wanted


def test_only_gpus_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")

    assert choose_compute(cpu, Ranks(), "auto", "auto", tmp_path).compile_from is None
    assert choose_compute(gpu, Ranks(), "auto", "never", tmp_path).compile_from is None
    compute = choose_compute(gpu, Ranks(), "auto", "auto", tmp_path)
    assert compute.compile_from == STEPS_WORTH_COMPILING
    assert compute.precision == torch.bfloat16


def test_a_network_that_takes_no_step_in_bfloat16_is_computed_in_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    monkeypatch.setattr("workers.unlearning.precision.kernels_take_bfloat16", lambda: True)
    cpu, images = torch.device("cpu"), torch.rand(4, 1, 8, 8)
    chosen = choose_compute(cpu, Ranks(), "auto", "auto", tmp_path)
    assert chosen.precision == torch.bfloat16

    fine = suited(chosen, "auto", digits_cnn(), images, cpu)
    strict = suited(chosen, "auto", summing_cnn(), images, cpu)

    assert fine.facts() == {"processes": 1, "precision": "bfloat16"}
    assert strict.facts() == {
        "processes": 1,
        "precision": "float32",
        "bfloat16": "given up: RuntimeError",
    }
    # Who asks for it gets it, or the network's own error.
    assert suited(chosen, "bfloat16", summing_cnn(), images, cpu).precision == torch.bfloat16


def test_trying_a_network_out_changes_nothing() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(), nn.Linear(64, 10))
    images = torch.rand(4, 1, 8, 8)
    before, drawn = state(network), torch.random.get_rng_state()
    chosen = Compute(precision=torch.bfloat16)

    suited(chosen, "auto", network.train(), images, torch.device("cpu"))

    assert same(state(network), before)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_older_gpus_keep_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    compute = choose_compute(torch.device("cuda", 0), Ranks(), "auto", "auto", tmp_path)
    assert compute.precision == torch.float32
