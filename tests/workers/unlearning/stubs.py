"""Methods and samples that do nothing, to see which ones `auto` takes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from workers.unlearning.auto import method as auto
from workers.unlearning.base import (
    Method,
    Offer,
    Problem,
    Report,
    Unlearned,
    UnlearningError,
)
from workers.unlearning.registry import get_method
from workers.unlearning.work import Work


def run(problem: Problem) -> Unlearned:
    return get_method().unlearn(problem, lambda _progress: None)


class Sized:
    """Samples of which only the number is asked."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, positions: torch.Tensor) -> torch.Tensor:
        raise AssertionError(f"{len(positions)} samples were read")


class Stub:
    """A method that hands out a network of the test's, or fails. Its cost is its `place`."""

    def __init__(self, name: str, make: Callable[[Problem], torch.nn.Module], place: int) -> None:
        self.name = name
        self._make = make
        self._place = place

    def check(self, parameters: Any) -> None:
        assert not parameters

    def offer(self, problem: Problem) -> Offer | None:  # noqa: ARG002 (it suits all)
        last, guided = self.name == "laf", self.name == "guided"
        return Offer(Work(read=self._place, trained=0), last_resort=last, needs_guide=guided)

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:  # noqa: ARG002
        self.check(problem.parameters)
        return Unlearned(self._make(problem), self.name, {}, {"made_by": self.name})


class Halfway(Stub):
    """One that does not come to its own end."""

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        return replace(super().unlearn(problem, report), reached=False)


class Guiding(Stub):
    """One whose results may guide an edit."""

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        return replace(super().unlearn(problem, report), guides=True)


def use(
    monkeypatch: pytest.MonkeyPatch, **makers: Callable[[Problem], torch.nn.Module]
) -> dict[str, Method]:
    """Methods that cost the more the later they are named -> what the registry has now."""
    known: dict[str, Method] = {
        name: Stub(name, make, place) for place, (name, make) in enumerate(makers.items())
    }
    monkeypatch.setattr(auto, "methods", lambda: list(known.values()))
    return known


def fail(_problem: Problem, kind: type[Exception] = UnlearningError) -> torch.nn.Module:
    raise kind("It does not learn.")


def nudged(problem: Problem, share: float = 0.4) -> torch.nn.Module:
    """The parent, moved by that share of the way towards fresh weights."""
    torch.manual_seed(0)
    model = problem.fresh()
    weights = {
        name: (1 - share) * tensor + share * model.state_dict()[name]
        for name, tensor in problem.model.state_dict().items()
    }
    model.load_state_dict(weights)
    return model
