"""How much a distillation does."""

from workers.unlearning.base import Problem
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.work import Work

# One lesson is often not enough: half as much again.
LESSONS = 1.5
LOOKS = 3


def work_of(problem: Problem) -> Work:
    """All answers of the parent, the lessons, and a look after each."""
    config, remaining = DistilConfig(), len(problem.remaining)
    looks = LOOKS * min(remaining, config.check_samples)
    trained = LESSONS * config.steps_of(remaining) * config.batch_of(remaining)
    return Work(remaining + len(problem.forgotten) + looks, trained)
