"""Running so that the same problem gives the same bytes, and leaving no trace in the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What torch does about an algorithm that is not deterministic.
WARN, FAIL = 1, 2


@contextmanager
def isolated(device: torch.device, seed: int) -> Iterator[None]:
    """Deterministic algorithms, gradients on, seeded random state; all as before afterwards.

    On a GPU, cuBLAS is deterministic only if the process was started with the environment variable
    CUBLAS_WORKSPACE_CONFIG set to ":4096:8"; that is for the caller to do.
    """
    cuda = [device] if device.type == "cuda" else []
    before = torch.get_deterministic_debug_mode()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    with (
        torch.random.fork_rng(devices=cuda),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        torch.manual_seed(seed)
        deterministic(WARN, device)
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            deterministic(before, device)
            cudnn.deterministic, cudnn.benchmark = flags


def deterministic(mode: int, device: torch.device) -> None:
    """Set torch's mode of determinism: 0 asks for none, 1 warns, 2 raises an error."""
    if device.type == "cuda":
        # Networks are compiled here only, and this tells the compiler, too.
        torch.use_deterministic_algorithms(mode=mode != 0, warn_only=mode == WARN)
    else:
        # The other call imports the compiler, which takes two seconds of a processor.
        torch.set_deterministic_debug_mode(mode)
