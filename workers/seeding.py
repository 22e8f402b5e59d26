"""Making a run repeatable on the same kind of device."""

import os
import random

import numpy as np
import torch

from workers.unlearning.isolation import FAIL, deterministic


def seed_everything(seed: int, threads: int) -> None:
    """Seed all generators, fix the number of threads, and allow deterministic kernels only.

    The number of threads decides the order in which floats are added up, so it is written into
    `unlearning.json` next to the seed.
    """
    # cuBLAS reads this when it starts; without it its reductions differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    deterministic(FAIL, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    torch.backends.cudnn.benchmark = False
