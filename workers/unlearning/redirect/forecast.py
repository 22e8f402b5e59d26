"""What redirection suits, and how much it does."""

from workers.unlearning.base import Problem
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.work import Work

# One attempt is often not enough.
ATTEMPTS = 2
# Where a large part of a class goes, its neighbours go with it, and none is left to ask. Up to
# this share of all samples they are few, however many; and up to so many, if they are no large
# share.
FEW_SHARE, FEW, LARGE_SHARE = 0.01, 256, 0.05


def few(problem: Problem) -> bool:
    """Whether so little is forgotten that neighbours of it remain."""
    count = len(problem.forgotten)
    share = count / (count + len(problem.remaining))
    return share <= FEW_SHARE or (count <= FEW and share <= LARGE_SHARE)


def work_of(config: RedirectConfig, problem: Problem) -> Work:
    """What both networks say, the steps of the attempts, and their looks."""
    remaining, forgotten = len(problem.remaining), len(problem.forgotten)
    holdout = 0 if problem.holdout is None else len(problem.holdout)
    seen = min(remaining, config.references) + forgotten + min(holdout, config.holdout_samples)
    look = min(remaining, config.guard_samples) + forgotten + min(holdout, config.unseen_samples)
    step = min(remaining, config.remaining_batch) + min(forgotten, config.forget_batch)
    looks = ATTEMPTS * config.max_steps / config.check_every
    return Work(2 * seen + looks * look, ATTEMPTS * config.max_steps * step)
