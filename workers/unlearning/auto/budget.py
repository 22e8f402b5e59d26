"""Which methods there is still time for."""

import time
from collections.abc import Callable
from functools import cached_property

import torch

from workers.unlearning.auto.forecast import Pace, pace_of, work_of
from workers.unlearning.base import Problem


class Budget:
    """So many seconds for all methods together, of which each takes its part; 0 is no limit.

    A method that is forecast to need more than is left is not begun. One that has begun is not
    interrupted: the forecast can be wrong.
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
        self._began = clock()

    def forbids(self, name: str) -> str | None:
        """Why the method `name` is not begun, in a sentence; None if there is time for it."""
        if not self._seconds:
            return None
        needed = self._pace.seconds(work_of(name, self._problem))
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
