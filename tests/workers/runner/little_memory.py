"""A job with little memory for its data: `python -m tests.workers.runner.little_memory PLAN MIB`.

It is the code of a runner, in a process whose memory is limited once everything is imported.
"""

import resource
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from service.core.settings import Settings
from workers.plan import ProgressLine, UnlearnPlan
from workers.runner.unlearn import unlearn
from workers.unlearning.ranks import Ranks

MIB = 2**20


def strided_cnn() -> nn.Module:
    """A small network for large images (1, 56, 56)."""
    return nn.Sequential(
        nn.AvgPool2d(7), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def used() -> int:
    """Bytes of memory that is this process's own, as `RLIMIT_DATA` counts them."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmData:")[2].split()[0]) * 1024


def warm_up(plan: UnlearnPlan) -> None:
    """Start the threads and load the code that reading and training need once."""
    source = Path(plan.data.holdout_files[0].uri.removeprefix("file://"))
    with pq.ParquetFile(source) as file:
        next(file.iter_batches(batch_size=4, columns=["pixels"], use_threads=False))
    network = strided_cnn()
    torch.optim.AdamW(network.parameters()).zero_grad()
    torch.autograd.backward(network(torch.zeros(2, 1, 56, 56)).sum())


def main(plan_file: str, room: str) -> None:
    plan = UnlearnPlan.model_validate_json(Path(plan_file).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    warm_up(plan)
    limit = used() + int(room) * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        np.ones(2 * int(room) * MIB, dtype=np.uint8)
    except MemoryError:
        sys.stdout.write("the limit holds\n")
    told: list[ProgressLine] = []
    outcome = unlearn(plan, Path(plan_file).parent, Settings(), told.append, Ranks())
    assert outcome is not None
    sys.stdout.write(outcome.model_dump_json() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])


def like(count: int, digits: Tensor, generator: torch.Generator) -> Tensor:
    """Digits (m, 8, 8), enlarged seven times and lightly changed -> (count, 56 * 56) uint8."""
    rows = torch.randint(len(digits), (count,), generator=generator)
    large = digits[rows].repeat_interleave(7, dim=1).repeat_interleave(7, dim=2)
    noise = torch.randint(0, 3, (count, 1, 56), generator=generator, dtype=torch.uint8)
    return (large + noise).flatten(start_dim=1)
