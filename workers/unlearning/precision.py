"""In which numbers networks are run, and when compiling them pays."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from workers.unlearning.copying import duplicate, in_evaluation, trainable
from workers.unlearning.inputs import Inputs, count, join, to

Forward = Callable[[Inputs], Tensor]

# What a CPU that multiplies in bfloat16 is known by: tiles (Intel), or dot products (Intel, AMD).
BFLOAT16_ON_CPU = ("amx_bf16", "avx512_bf16")


def best_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where a device computes in it, else float32.

    It has the range of float32, so that no loss has to be scaled. GPUs that only emulate it
    (before compute capability 8.0) would be slower with it, and so would CPUs that convert each
    number (measured by `make bench-precision`; decision 0026), also where `ONEDNN_MAX_CPU_ISA`
    forbids the instructions that a CPU has.
    """
    if device.type == "cuda":
        computes = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        has = torch.cpu.get_capabilities()
        able = any(has.get(name) for name in BFLOAT16_ON_CPU)
        computes = device.type == "cpu" and able and kernels_take_bfloat16()
    return torch.bfloat16 if computes else torch.float32


def kernels_take_bfloat16() -> bool:
    """Whether oneDNN, which computes on a CPU, has kernels for it within the limit that is set."""
    if not torch.backends.mkldnn.is_available():
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 (no public name tells)


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[Any]:
    """A context in which matrix products and convolutions are computed in `precision`.

    Weights stay in their type. float32 changes nothing.
    """
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, precision)


def trouble_with(
    precision: torch.dtype, model: nn.Module, inputs: Inputs, device: torch.device
) -> str | None:
    """The kind of the error with which the network cannot take a step in `precision`, if any.

    Some layers have no kernel for few bits, or mix them with tensors of their own in float32. A
    copy is tried out, on inputs (b, ...); neither the network nor random numbers are touched.
    """
    if precision == torch.float32:
        return None
    cuda = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda), torch.enable_grad():
            with autocast(device, precision):
                answers = trainable(in_evaluation(duplicate(model)))(to(inputs, device))
            torch.autograd.backward(answers.float().sum())
    except torch.OutOfMemoryError:
        # Not a matter of the numbers: in more bits it would need more.
        return None
    except (RuntimeError, TypeError) as error:
        return type(error).__name__
    return None


def in_training(forward: Forward, inputs: Inputs) -> Tensor:
    """Logits (b, k) of a network in training mode.

    A norm over the batch needs two samples at least: one alone is given twice.
    """
    if count(inputs) > 1:
        return forward(inputs)
    return forward(join([inputs, inputs]))[:1]


class Compiled:
    """A network that is compiled on its first call, or runs as it is if it cannot be.

    `trouble` is then the kind of the error. What goes wrong in the network itself is not caught:
    it goes wrong again when it runs as it is.
    """

    def __init__(self, model: nn.Module, compiler: Callable[[nn.Module], Any]) -> None:
        self._model = model
        self._compiled: Any = compiler(model)
        self.trouble: str | None = None

    def __call__(self, inputs: Inputs) -> Tensor:
        # Loading it takes seconds, and most runs compile nothing.
        from torch._dynamo.exc import TorchDynamoException

        if self.trouble is None:
            try:
                made: Tensor = self._compiled(inputs)
            except TorchDynamoException as error:
                self.trouble = type(error).__name__
            else:
                return made
        plain: Tensor = self._model(inputs)
        return plain
