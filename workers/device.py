"""Which devices a run computes on, and how."""

import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from workers.unlearning.compute import Compute
from workers.unlearning.inputs import Inputs
from workers.unlearning.isolation import isolated
from workers.unlearning.precision import best_precision, trouble_with
from workers.unlearning.ranks import Ranks

Wanted = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]

# Compiling a network takes about a minute, and makes a step faster by a part of itself.
STEPS_WORTH_COMPILING = 20_000


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


def count_processes(wanted: Wanted, asked: int | None) -> int:
    """How many processes one run has: those asked for, or one a visible GPU, or one."""
    if asked is not None:
        return asked
    return max(1, torch.cuda.device_count()) if wanted != "cpu" else 1


def choose_device(wanted: Wanted, ranks: Ranks | None = None) -> torch.device:
    """A GPU if there is one, else the CPU; or what was asked for. Each process gets its own GPU.

    Raises:
        DeviceError: CUDA was asked for and there is none, or there are fewer GPUs than processes.
    """
    ranks = ranks or Ranks()
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise DeviceError("UNLEARND_DEVICE is cuda, and torch sees no CUDA device.")
    if not available or wanted == "cpu":
        return torch.device("cpu")
    if ranks.size == 1:
        return torch.device("cuda")
    if ranks.size > torch.cuda.device_count():
        raise DeviceError(
            f"UNLEARND_PROCESSES is {ranks.size}, and torch sees {torch.cuda.device_count()} "
            "CUDA devices."
        )
    return torch.device("cuda", ranks.rank)


def cpu_threads() -> int:
    return min(16, len(os.sched_getaffinity(0)))


def threads_of_each(asked: int | None, ranks: Ranks) -> int:
    """The CPU threads of one process of a run."""
    return max(1, (asked or cpu_threads()) // ranks.size)


def choose_compute(
    device: torch.device,
    ranks: Ranks,
    precision: Precision,
    compiling: Literal["auto", "never"],
    scratch: Path,
) -> Compute:
    """How networks are run on the device. It sets torch's own switch for TensorFloat-32."""
    tensor_float = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tensor_float else "highest")
    torch.backends.cudnn.allow_tf32 = tensor_float
    chosen = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
    return Compute(
        ranks=ranks,
        precision=best_precision(device) if precision == "auto" else chosen[precision],
        scratch=scratch,
        compile_from=(
            STEPS_WORTH_COMPILING if device.type == "cuda" and compiling == "auto" else None
        ),
    )


def suited(
    compute: Compute, asked: Precision, model: nn.Module, inputs: Inputs, device: torch.device
) -> Compute:
    """The same in float32, where bfloat16 was not asked for and the network takes no step in it.

    A few samples of inputs (b, ...) tell.
    """
    if asked != "auto":
        return compute
    # As methods run, where an algorithm that is not deterministic is no error.
    with isolated(device, seed=0):
        trouble = trouble_with(compute.precision, model, inputs, device)
    return replace(compute.exact(), given_up=trouble) if trouble else compute


def describe(device: torch.device) -> dict[str, Any]:
    """What a reproduction needs to know about the device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"kind": device.type, "name": name, "torch": torch.__version__}
