"""Choose a method by the size of what is forgotten, and another one if agreement is lost."""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from workers.evaluation.agreement import agreement, holdout_floor
from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.base import Problem, Progress, Report, Samples, Unlearned, UnlearningError
from workers.unlearning.embedding import answer, draw
from workers.unlearning.registry import get_method, register

FEW = ("redirect", "distil", "laf")
MANY = ("distil", "laf")


@dataclass(frozen=True)
class Trial:
    """One method's result, measured as the gate will measure it."""

    unlearned: Unlearned
    agreement: float
    holdout_agreement: float | None
    kept: bool

    def facts(self) -> dict[str, Any]:
        return {
            "method": self.unlearned.method,
            "agreement": self.agreement,
            "holdout_agreement": self.holdout_agreement,
            "kept": self.kept,
            "reached": self.unlearned.reached,
        }

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Larger is better: agreement kept, then its own end reached.

        Where it is kept, more of it is no merit: who forgets least agrees most. Of equals the one
        that was tried first is taken.
        """
        return self.kept, self.unlearned.reached, 0.0 if self.kept else self.agreement


@register
class Auto:
    """Takes the first method that forgets and keeps what the parent says of other data."""

    name = "auto"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `AutoConfig` does not have or allow."""
        AutoConfig.read(parameters)

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`; the answer names the method that did it, and its knobs.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: no method came to an end; the message is the last one's.
        """
        config = AutoConfig.read(problem.parameters)
        judge = _Judge(config, problem)
        best: Trial | None = None
        tried: list[dict[str, Any]] = []
        last: UnlearningError | None = None
        for name in methods_for(config, problem):
            try:
                unlearned = get_method(name).unlearn(replace(problem, parameters={}), report)
            except UnlearningError as error:
                tried.append({"method": name, "error": str(error)})
                last = error
                continue
            trial = judge.measure(unlearned)
            tried.append(trial.facts())
            if best is None or trial.rank > best.rank:
                best = trial
            if trial.kept and trial.unlearned.reached:
                break
        if best is None:
            raise last or UnlearningError("There is no method to try.")
        report(Progress("unlearning", 1.0, {"agreement": best.agreement}))
        chosen = {"parameters": asdict(config), "tried": tried, "kept": best.kept}
        return replace(best.unlearned, summary={**best.unlearned.summary, "auto": chosen})


def methods_for(config: AutoConfig, problem: Problem) -> tuple[str, ...]:
    """The methods worth trying, the best first: few samples are redirected, many distilled.

    An encoder is never distilled: answers to a few dozen prototypes do not say where in the space
    of representations a student with fresh weights is to put a sample.
    """
    count = len(problem.forgotten)
    share = count / (count + len(problem.remaining))
    few = share <= config.few_share or (count <= config.few and share <= config.large_share)
    methods = FEW if few else MANY
    return tuple(name for name in methods if not (problem.encodes and name == "distil"))


class _Judge:
    """Holds results against the parent, on the same samples for all of them."""

    def __init__(self, config: AutoConfig, problem: Problem) -> None:
        self._config = config
        self._problem = problem
        generator = torch.Generator().manual_seed(problem.seed)
        most = config.check_samples
        self._remaining = draw(len(problem.remaining), most, generator)
        self._holdout = draw(len(problem.holdout or ()), most, generator)
        self._before: dict[int, torch.Tensor] = {}

    def measure(self, unlearned: Unlearned) -> Trial:
        problem = self._problem
        count = len(problem.forgotten), len(problem.remaining)
        kept = self._agreement(unlearned.model, problem.remaining, self._remaining)
        good = kept >= problem.min_agreement
        unseen = None
        if problem.holdout is not None and len(problem.holdout):
            unseen = self._agreement(unlearned.model, problem.holdout, self._holdout)
            good = good and unseen >= holdout_floor(problem.min_agreement, *count)
        return Trial(unlearned, kept, unseen, good)

    def _agreement(self, model: nn.Module, samples: Samples, positions: torch.Tensor) -> float:
        def ask(network: nn.Module) -> torch.Tensor:
            # In float32, whatever the method computed in: the gate will look at it so.
            return answer(
                copy.deepcopy(network).to(self._problem.device).eval(),
                samples,
                positions,
                self._problem.device,
                self._config.embed_batch,
                compute=self._problem.compute.exact(),
            )

        # The parent says the same however many results are held against it.
        if id(samples) not in self._before:
            self._before[id(samples)] = ask(self._problem.model)
        return agreement(self._before[id(samples)], ask(model))
