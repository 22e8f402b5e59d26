"""Choose a method by the size of what is forgotten, and another one if agreement is lost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from workers.evaluation.closeness import Kept, complaints, measure_kept
from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.statistics.hindsight import Hindsight, hindsight
from workers.unlearning.auto.budget import Budget
from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.base import Problem, Progress, Report, Unlearned, UnlearningError
from workers.unlearning.embedding import answer, draw
from workers.unlearning.errors import DoesNotFitError
from workers.unlearning.finished import finished
from workers.unlearning.guided.method import guided_by
from workers.unlearning.layout import copied
from workers.unlearning.registry import get_method, register

FEW = ("redirect", "distil", "guided", "laf")
MANY = ("distil", "guided", "laf")
# These need answers that say where a sample is to be put.
BY_ANSWERS = ("distil", "guided")
MORE_TIME = 'Raise "max_seconds", or name a method.'
ADVICE = "Retrain without the samples that the dataset's tombstones name, or name a method."


@dataclass(frozen=True)
class Trial:
    """One method's result, measured as the gate will measure it.

    `cosine` is that of an encoder's representations with the parent's, None of other networks.
    """

    unlearned: Unlearned
    agreement: float
    holdout_agreement: float | None
    cosine: Kept | None
    kept: bool

    def facts(self) -> dict[str, Any]:
        return {
            "method": self.unlearned.method,
            "agreement": self.agreement,
            "holdout_agreement": self.holdout_agreement,
            "cosine": None if self.cosine is None else asdict(self.cosine),
            "kept": self.kept,
            "reached": self.unlearned.reached,
        }

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Larger is better: agreement kept, then its own end reached.

        Where it is kept, more of it is no merit: who forgets least agrees most. Of equals the one
        that was tried first is taken.
        """
        near = min(self.agreement, 1.0 if self.cosine is None else self.cosine.remaining)
        return self.kept, self.unlearned.reached, 0.0 if self.kept else near


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
            DoesNotFitError: no method came to an end, and one of them for want of memory.
            UnlearningError: no method came to an end, of which the message has the last one's, or
            there is no time for any.
        """
        config = AutoConfig.read(problem.parameters)
        judge = _Judge(config, problem)
        best: Trial | None = None
        student: Unlearned | None = None
        tried: list[dict[str, Any]] = []
        last: UnlearningError | None = None
        too_large: DoesNotFitError | None = None
        budget, forbidden = Budget(config.max_seconds, problem), list[str]()
        for name in methods_for(config, problem):
            if name == "guided" and problem.guide is None:
                continue
            if (reason := budget.forbids(name)) is not None:
                tried.append({"method": name, "skipped": reason})
                forbidden.append(reason)
                continue
            try:
                unlearned = attempt(name, problem, report)
                if student is not None and name == "guided":
                    unlearned = guided_by(student, unlearned)
            except UnlearningError as error:
                tried.append({"method": name, "error": str(error)})
                last = error
                too_large = error if isinstance(error, DoesNotFitError) else too_large
                continue
            trial = judge.measure(unlearned)
            tried.append(trial.facts())
            if name == "distil" and trial.agreement >= problem.min_agreement:
                # Refused for what it says of data that nobody has seen, it is a guide all the same.
                problem, student = replace(problem, guide=unlearned.model), unlearned
            if best is None or trial.rank > best.rank:
                best = trial
            if trial.kept and trial.unlearned.reached:
                break
        if best is None and last is None:
            reasons = " ".join(forbidden)
            raise UnlearningError(f"There is no time for any method: {reasons} {MORE_TIME}")
        if best is None and too_large is not None:
            # With more memory than is free now, another attempt may well come to an end.
            raise too_large
        if best is None:
            raise UnlearningError(f"No method came to an end. {last} {ADVICE}") from last
        report(Progress("unlearning", 1.0, {"agreement": best.agreement}))
        chosen = {"parameters": asdict(config), "tried": tried, "kept": best.kept}
        return replace(best.unlearned, summary={**best.unlearned.summary, "auto": chosen})


def attempt(name: str, problem: Problem, report: Report) -> Unlearned:
    """One method with its defaults; what a run that was killed has finished is not done again."""
    compute = replace(problem.compute, saves=problem.compute.saves.within(name))
    own = replace(problem, parameters={}, compute=compute)
    return finished(own, lambda: get_method(name).unlearn(own, report))


def methods_for(config: AutoConfig, problem: Problem) -> tuple[str, ...]:
    """The methods worth trying, the best first: few samples are redirected, many distilled.

    An encoder is never distilled: answers to a few dozen prototypes do not say where in the space
    of representations a student with fresh weights is to put a sample.
    """
    count = len(problem.forgotten)
    share = count / (count + len(problem.remaining))
    few = share <= config.few_share or (count <= config.few and share <= config.large_share)
    methods = FEW if few else MANY
    return tuple(name for name in methods if not (problem.encodes and name in BY_ANSWERS))


class _Judge:
    """Holds results against the parent, on the same samples for all of them."""

    def __init__(self, config: AutoConfig, problem: Problem) -> None:
        self._config = config
        self._problem = problem
        sets = {"remaining": problem.remaining, "forgotten": problem.forgotten}
        if problem.holdout is not None and len(problem.holdout):
            sets["holdout"] = problem.holdout
        self._sets = sets
        generator = torch.Generator().manual_seed(problem.seed)
        most = config.check_samples
        self._drawn = {name: draw(len(found), most, generator) for name, found in sets.items()}

    def measure(self, unlearned: Unlearned) -> Trial:
        problem = self._problem
        sizes = len(problem.remaining), len(problem.forgotten)
        agreed = {
            name: agreement(before, self._ask(unlearned.model, name), self._known)
            for name, before in self._before.items()
            if name != "forgotten"
        }
        kept, unseen = agreed["remaining"], agreed.get("holdout")
        good = kept >= problem.min_agreement
        if unseen is not None:
            good = good and unseen >= Floors(problem.min_agreement, *reversed(sizes)).on_holdout
        cosine = self._cosine(unlearned.model) if problem.encodes else None
        if cosine is not None:
            good = good and not complaints(cosine, problem.min_agreement, *reversed(sizes))
        return Trial(unlearned, kept, unseen, cosine, good)

    def _cosine(self, model: nn.Module) -> Kept:
        problem = self._problem
        return measure_kept(
            copied(problem.model, problem.device),
            copied(model, problem.device),
            problem.tap,
            remaining=problem.remaining,
            holdout=problem.holdout,
            device=problem.device,
            seed=problem.seed,
        )

    @cached_property
    def _before(self) -> dict[str, torch.Tensor]:
        """What the parent says of each set."""
        return {name: self._ask(self._problem.model, name) for name in self._sets}

    @cached_property
    def _known(self) -> Hindsight:
        sizes = len(self._problem.remaining), len(self._problem.forgotten)
        return hindsight(self._before["remaining"], self._before["forgotten"], sizes)

    def _ask(self, model: nn.Module, name: str) -> torch.Tensor:
        # In float32, whatever the method computed in: the gate will look at it so.
        return answer(
            copied(model, self._problem.device),
            self._sets[name],
            self._drawn[name],
            self._problem.device,
            self._config.embed_batch,
            compute=self._problem.compute.exact(),
        )
