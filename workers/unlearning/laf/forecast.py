"""How much LAF does, but for the fitting of densities."""

from workers.unlearning.base import Problem
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.search import step_budget
from workers.unlearning.work import Work


def work_of(problem: Problem) -> Work:
    """What the parent says, the steps, and their looks."""
    config = LafConfig()
    remaining, forgotten = len(problem.remaining), len(problem.forgotten)
    holdout = 0 if problem.holdout is None else len(problem.holdout)
    steps = step_budget(config, forgotten)
    look = sum(min(size, config.check_samples) for size in (remaining, forgotten, holdout))
    step = min(remaining, config.remaining_batch) + min(forgotten, config.forget_batch)
    read = min(remaining, config.embedded_samples) + forgotten + min(holdout, config.check_samples)
    return Work(read + steps / config.check_every * look, steps * step)
