"""How long does a sample take in this network, on this machine?"""

import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.copying import learnable
from workers.unlearning.embedding import answer
from workers.unlearning.inputs import channels_last, to
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.precision import in_training
from workers.unlearning.work import Work

# The pace is measured on so many samples, and on so many steps after one that warms up.
SAMPLES, STEPS, BATCH = 512, 4, 128
# Small enough that no step makes numbers infinite.
RATE = 1e-5


@dataclass(frozen=True)
class Pace:
    """Seconds by the clock that a sample takes to be read, and to be trained on."""

    read: float
    trained: float

    def seconds(self, work: Work) -> float:
        """Seconds that the whole work takes."""
        return work.read * self.read + work.trained * self.trained


# A step goes forward and backward, which is about twice as much again as going forward alone.
USUAL = Pace(read=1.0, trained=3.0)


def pace_of(problem: Problem) -> Pace:
    """Measured on copies: by reading a few samples twice, and by a few steps of training.

    All processes of a job get the same.

    Raises:
        UnlearningError: the model's answers, or the loss, are not finite.
    """
    rows = torch.arange(min(SAMPLES, len(problem.remaining)))
    with isolated(problem.device, problem.seed):
        parent = copied(problem.model, problem.device)

        def read() -> torch.Tensor:
            return answer(
                parent, problem.remaining, rows, problem.device, SAMPLES, compute=problem.compute
            )

        decisions = read().argmax(dim=1)
        begun = time.perf_counter()
        read()
        reading = (time.perf_counter() - begun) / len(rows)
        training = _step_seconds(problem, decisions) / min(BATCH, len(rows))
    found = torch.tensor([reading, training], dtype=torch.double)
    problem.compute.ranks.smallest(found)
    return Pace(*found.tolist())


def _step_seconds(problem: Problem, decisions: torch.Tensor) -> float:
    """Seconds of one step towards decisions (m,) of the first remaining samples."""
    student = problem.fresh().to(problem.device)
    lay_out(student, torch.channels_last)
    student.train()
    weights = learnable(student)
    optimizer = torch.optim.AdamW(weights, lr=RATE, fused=True)
    rows = torch.arange(min(BATCH, len(decisions)))
    begun = 0.0
    for step in range(1 + STEPS):
        if step == 1:
            begun = time.perf_counter()
        loss = problem.compute.backward(
            weights, len(rows), lambda places: _loss(problem, student, decisions, places)
        )
        norm = nn.utils.clip_grad_norm_(weights, 1.0)
        if not bool(loss.isfinite().all() & norm.isfinite()):
            raise UnlearningError("The loss of a step or its gradient is not a finite number.")
        optimizer.step()
    return (time.perf_counter() - begun) / STEPS


def _loss(
    problem: Problem, student: nn.Module, decisions: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """The summed loss (1,) of some samples (m,)."""
    inputs = to(problem.remaining.batch(rows), problem.device)
    with problem.compute.autocast(problem.device):
        logits = in_training(student, channels_last(inputs))
    wanted = decisions[rows].to(problem.device)
    return functional.cross_entropy(logits.float(), wanted, reduction="sum").reshape(1)
