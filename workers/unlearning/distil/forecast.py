"""How much a distillation does."""

import math

from workers.unlearning.base import Problem
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.work import Work

# One lesson is often not enough: half as much again.
LESSONS = 1.5
LOOKS = 3


def work_of(problem: Problem) -> Work:
    """All answers of the parent, the lessons, and a look after each."""
    config, remaining = DistilConfig(), len(problem.remaining)
    batch = min(config.batch, remaining)
    steps = max(config.min_steps, math.ceil(config.passes * remaining / batch))
    looks = LOOKS * min(remaining, config.check_samples)
    return Work(remaining + len(problem.forgotten) + looks, LESSONS * steps * batch)
