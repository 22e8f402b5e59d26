"""Which methods there is still time for."""

import time
from collections.abc import Callable
from functools import cached_property

import torch

from workers.unlearning.auto.pace import Pace, pace_of
from workers.unlearning.base import Problem
from workers.unlearning.savepoints import Saved
from workers.unlearning.work import Work

SAVED = "budget"


class Budget:
    """So many seconds for all methods together, of which each takes its part; 0 is no limit.

    A method that is forecast to need more than is left is not begun. One that has begun is not
    interrupted: the forecast can be wrong. A run that goes on where another was killed decides as
    that one had decided, and has what that one had left when it last did.
    """

    def __init__(
        self,
        seconds: float,
        problem: Problem,
        pace: Callable[[Problem], Pace] = pace_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._problem = problem
        self._measure = pace
        self._clock = clock
        self._seconds = seconds
        saved = problem.compute.saves.load(SAVED)
        self._before: dict[str, str | None] = dict({} if saved is None else saved.facts["decided"])
        self._decided = dict(self._before)
        self._began = clock() - (0.0 if saved is None else saved.facts["spent"])

    def forbids(self, name: str, work: Work) -> str | None:
        """Why the method `name` is not begun with its work; None if there is time for it."""
        if not self._seconds:
            return None
        if name in self._before:
            return self._before[name]
        self._decided[name] = self._decide(name, work)
        facts = {"decided": self._decided, "spent": self._clock() - self._began}
        self._problem.compute.saves.save(SAVED, Saved(facts=facts))
        return self._decided[name]

    def _decide(self, name: str, work: Work) -> str | None:
        needed = self._pace.seconds(work)
        left = torch.tensor([self._seconds - (self._clock() - self._began)], dtype=torch.double)
        # Clocks differ, and what is decided by them has to be decided alike in all processes.
        self._problem.compute.ranks.smallest(left)
        if needed <= left.item():
            return None
        return (
            f"{name} would take about {needed:.0f} s, and {max(0.0, left.item()):.0f} s of "
            f"{self._seconds:g} are left."
        )

    @cached_property
    def _pace(self) -> Pace:
        return self._measure(self._problem)
