"""Which methods are worth trying, and in which order. This file names none."""

from collections.abc import Sequence
from dataclasses import dataclass

from workers.unlearning.auto.pace import USUAL
from workers.unlearning.base import Method, Offer, Problem


@dataclass(frozen=True)
class Candidate:
    """A method, and what it offers to do about the problem."""

    method: Method
    offer: Offer

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def order(self) -> tuple[bool, float, str]:
        """The smallest comes first: no last resort, and cheap.

        The cost is at a usual pace, not at one that is measured: the same job has the same order on
        any machine, and on one that is busy.
        """
        return self.offer.last_resort, USUAL.seconds(self.offer.work), self.name


def candidates(known: Sequence[Method], problem: Problem) -> list[Candidate]:
    """Those of the `known` methods that suit the problem, the first one to try first."""
    offers = [(method, method.offer(problem)) for method in known]
    suited = [Candidate(method, offer) for method, offer in offers if offer is not None]
    return sorted(suited, key=lambda one: one.order)


def take_next(left: list[Candidate], problem: Problem, *, kept: bool) -> Candidate | None:
    """Remove and return the first of `left` that is to be tried; None if there is none.

    A candidate that needs a guide waits for one. A last resort is tried only while no result is
    `kept`: it takes long, and seldom reaches a higher level than a result that is useful already.
    """
    for one in left:
        if one.offer.needs_guide and problem.guide is None:
            continue
        if one.offer.last_resort and kept:
            continue
        left.remove(one)
        return one
    return None
