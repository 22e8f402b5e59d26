"""Running so that the same problem gives the same bytes, and leaving no trace in the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def isolated(device: torch.device, seed: int) -> Iterator[None]:
    """Deterministic algorithms, gradients on, seeded random state; all as before afterwards.

    On a GPU, cuBLAS is deterministic only if the process was started with the environment variable
    CUBLAS_WORKSPACE_CONFIG set to ":4096:8"; that is for the caller to do.
    """
    cuda = [device] if device.type == "cuda" else []
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    with (
        torch.random.fork_rng(devices=cuda),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode=deterministic, warn_only=warn_only)
            cudnn.deterministic, cudnn.benchmark = flags
