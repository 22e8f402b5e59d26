"""What a rival is held to: the agreement that the gate of a job asks for, without labels.

As in a job, nobody is held to decisions of the parent that are owed to forgotten samples.
"""

import copy

import torch
from torch import Tensor, nn

from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.statistics.hindsight import hindsight
from workers.unlearning.base import Problem, Samples
from workers.unlearning.embedding import answer, draw

WATCHED = 4000
BATCH = 512


class Guard:
    """Agreement with the parent on remaining and held-out samples, of which a draw is watched."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        forgotten, remaining = len(problem.forgotten), len(problem.remaining)
        asked = Floors(problem.min_agreement, forgotten, remaining)
        floors = [asked.on_remaining, asked.on_holdout]
        generator = torch.Generator().manual_seed(problem.seed)
        parent = copy.deepcopy(problem.model).eval()
        self._watched: list[tuple[Samples, Tensor, Tensor, float]] = []
        for samples, floor in zip((problem.remaining, problem.holdout), floors, strict=True):
            if samples is not None and len(samples):
                rows = draw(len(samples), WATCHED, generator)
                self._watched.append(
                    (samples, rows, answers(problem, parent, samples, rows), floor)
                )
        gone = answers(problem, parent, problem.forgotten, draw(forgotten, WATCHED, generator))
        self._known = hindsight(self._watched[0][2], gone, (remaining, forgotten))

    def kept(self, student: nn.Module) -> bool:
        """Whether the student agrees often enough on both."""
        return all(
            agreement(wanted, answers(self._problem, student, samples, rows), self._known) >= floor
            for samples, rows, wanted, floor in self._watched
        )


def answers(problem: Problem, model: nn.Module, samples: Samples, rows: Tensor) -> Tensor:
    """The logits (m, k) of a network in evaluation mode at `rows` (m,), in float32."""
    return answer(model, samples, rows, problem.device, BATCH, compute=problem.compute.exact())
