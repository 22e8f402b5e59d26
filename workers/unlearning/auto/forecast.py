"""How long would a method take, before it is begun?"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from workers.unlearning.base import Problem
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.distil.student import Lesson, Student
from workers.unlearning.distil.teacher import decided
from workers.unlearning.embedding import answer
from workers.unlearning.guided.config import GuidedConfig
from workers.unlearning.isolation import isolated
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.search import step_budget
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.redirect.config import RedirectConfig

# The pace is taken on so many samples, and steps, after a first one that warms up.
SAMPLES, STEPS = 512, 4
# One lesson is often not enough, nor is one attempt: half as much again, and a second one.
LESSONS, ATTEMPTS = 1.5, 2


@dataclass(frozen=True)
class Work:
    """Samples that a method reads and trains on, counted each time, with its defaults.

    It is an estimate: how many lessons or attempts it takes is not known before. What does not go
    through the network, such as fitting densities, is left out.
    """

    read: float
    trained: float


@dataclass(frozen=True)
class Pace:
    """Seconds by the clock that a sample takes to be read, and to be trained on."""

    read: float
    trained: float

    def seconds(self, work: Work) -> float:
        """Of the whole work."""
        return work.read * self.read + work.trained * self.trained


def work_of(name: str, problem: Problem) -> Work:
    """What the method `name` would do about `problem`.

    Raises:
        KeyError: nothing is known of such a method.
    """
    return _WORK[name](
        len(problem.remaining),
        len(problem.forgotten),
        0 if problem.holdout is None else len(problem.holdout),
    )


def _distil(remaining: int, forgotten: int, _holdout: int) -> Work:
    config = DistilConfig()
    batch = min(config.batch, remaining)
    steps = max(config.min_steps, math.ceil(config.passes * remaining / batch))
    looks = 3 * min(remaining, config.check_samples)
    return Work(remaining + forgotten + looks, LESSONS * steps * batch)


def _edit(config: RedirectConfig) -> Callable[[int, int, int], Work]:
    def work(remaining: int, forgotten: int, holdout: int) -> Work:
        seen = min(remaining, config.references) + forgotten + min(holdout, config.holdout_samples)
        look = (
            min(remaining, config.guard_samples) + forgotten + min(holdout, config.unseen_samples)
        )
        step = min(remaining, config.remaining_batch) + min(forgotten, config.forget_batch)
        looks = ATTEMPTS * config.max_steps / config.check_every
        return Work(2 * seen + looks * look, ATTEMPTS * config.max_steps * step)

    return work


def _laf(remaining: int, forgotten: int, holdout: int) -> Work:
    config = LafConfig()
    steps = step_budget(config, forgotten)
    look = sum(min(size, config.check_samples) for size in (remaining, forgotten, holdout))
    step = min(remaining, config.remaining_batch) + min(forgotten, config.forget_batch)
    read = min(remaining, config.embedded_samples) + forgotten + min(holdout, config.check_samples)
    return Work(read + steps / config.check_every * look, steps * step)


_WORK = {
    "distil": _distil,
    "guided": _edit(GuidedConfig()),
    "laf": _laf,
    "redirect": _edit(RedirectConfig()),
}


def pace_of(problem: Problem) -> Pace:
    """Measured on copies: by reading a few samples twice, and by a few steps of distillation.

    All processes of a job get the same.

    Raises:
        UnlearningError: the model's answers, or the loss, are not finite.
    """
    rows = torch.arange(min(SAMPLES, len(problem.remaining)))
    with isolated(problem.device, problem.seed):
        parent = copied(problem.model, problem.device)
        config = DistilConfig()

        def read() -> torch.Tensor:
            return answer(
                parent,
                problem.remaining,
                rows,
                problem.device,
                config.embed_batch,
                compute=problem.compute,
            )

        soft = read().softmax(dim=1)
        begun = time.perf_counter()
        read()
        reading = (time.perf_counter() - begun) / len(rows)

        student = problem.fresh().to(problem.device)
        lay_out(student, torch.channels_last)
        generator = torch.Generator().manual_seed(problem.seed)
        trainer = Student(config, problem, student, decided(soft), generator)
        for step, _ in enumerate(trainer.learn(Lesson(1 + STEPS, config.learning_rate))):
            if not step:
                begun = time.perf_counter()
        training = (time.perf_counter() - begun) / (STEPS * min(config.batch, len(rows)))
    found = torch.tensor([reading, training], dtype=torch.double)
    problem.compute.ranks.smallest(found)
    return Pace(*found.tolist())
