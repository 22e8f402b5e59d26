"""How a run computes, by its settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from workers.device import STEPS_WORTH_COMPILING, Precision, choose_compute
from workers.unlearning.precision import best_precision
from workers.unlearning.ranks import Ranks


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


def test_older_gpus_keep_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    compute = choose_compute(torch.device("cuda", 0), Ranks(), "auto", "auto", tmp_path)
    assert compute.precision == torch.float32
