"""The step size for a student that has something to lose: found by trying, without labels."""

import math

import torch
from torch import Tensor

from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.distil.student import Lesson, Student, loss_of
from workers.unlearning.distil.teacher import Targets
from workers.unlearning.embedding import answer
from workers.unlearning.layout import lay_out

# What a small network learns fastest with destroys a large pretrained one, which wants about a
# hundredth of it.
RATES = 5
QUARTER = 4
SHORTEST = 10


def quarterings(
    config: DistilConfig, problem: Problem, goal: Targets, watched: Tensor, steps: int
) -> int:
    """How often `base_learning_rate` is best quartered, for a student that begins with a base.

    Each step size is tried on a student of its own, for `trial_share` of the steps of a lesson; the
    fastest one has the smallest mean loss on the `watched` (m,) remaining samples. What is taken is
    a quarter of it: in a whole lesson, the fastest of a short trial loses more of the base than it
    gains. Nothing of a trial is kept.
    """
    length = max(SHORTEST, round(config.trial_share * steps))
    found = [_try(config, problem, goal, watched, length, power) for power in range(RATES)]
    return 1 + min(range(RATES), key=lambda power: found[power])


def _try(
    config: DistilConfig, problem: Problem, goal: Targets, watched: Tensor, length: int, power: int
) -> float:
    torch.manual_seed(problem.seed)
    student = problem.fresh().to(problem.device)
    lay_out(student, torch.channels_last)
    generator = torch.Generator().manual_seed(problem.seed)
    trainer = Student(config, problem, student, goal, generator)
    try:
        for _ in trainer.learn(Lesson(length, config.base_learning_rate / QUARTER**power)):
            pass
        logits = answer(
            student,
            problem.remaining,
            watched,
            problem.device,
            config.embed_batch,
            compute=problem.compute,
        )
    except UnlearningError:
        # Not finite: this step size is far too large, which is an answer.
        return math.inf
    losses = loss_of(logits, goal.decisions[watched], goal.soft[watched], config.hardness)
    return float(losses.double().mean())
