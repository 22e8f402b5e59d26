"""Try the methods in the order of their cost until a judge finds the level that is asked for."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from workers.unlearning.auto.budget import Budget
from workers.unlearning.auto.candidates import candidates, take_next
from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.auto.trial import Trial, attempt
from workers.unlearning.base import (
    Judge,
    Offer,
    Problem,
    Progress,
    Report,
    Unlearned,
    UnlearningError,
)
from workers.unlearning.errors import DoesNotFitError
from workers.unlearning.registry import methods, register

MORE_TIME = 'Raise "max_seconds", or name a method.'
ADVICE = "Retrain without the samples that the dataset's tombstones name, or name a method."
LEFT_TO_THE_AUDIT = "What a training on remaining samples brings back is left to the audit."


@register
class Auto:
    """Takes the first result that is as useful as the parent and forgets as much as is asked."""

    name = "auto"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `AutoConfig` does not have or allow."""
        AutoConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:  # noqa: ARG002 (no problem suits it)
        """None: a choice is not among what it chooses from."""
        return None

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`; the answer names the method that did it, and its knobs.

        Raises:
            ValueError: a set is empty, a parameter is unknown or out of range, or there is no
                judge.
            DoesNotFitError: no method came to an end, and one of them for want of memory.
            UnlearningError: no method came to an end, of which the message has the last one's, or
            there is no time for any.
        """
        config = AutoConfig.read(problem.parameters)
        if problem.judge is None:
            raise ValueError("The method auto needs a judge: set Problem.judge, or name a method.")
        choice = _Choice(Budget(config.max_seconds, problem), problem, problem.judge, report)
        best = choice.best()
        chosen = {
            "parameters": asdict(config),
            "target_level": problem.target_level,
            "level": best.judgement.level,
            "kept": best.judgement.kept,
            "tried": choice.tried,
        }
        if problem.target_level == "robust":
            chosen["note"] = LEFT_TO_THE_AUDIT
        return replace(best.unlearned, summary={**best.unlearned.summary, "auto": chosen})


class _Choice:
    """Tries one method after the other; `tried` says in plain JSON what came of each."""

    def __init__(self, budget: Budget, problem: Problem, judge: Judge, report: Report) -> None:
        self._budget = budget
        self._problem = problem
        self._judge = judge
        self._report = report
        self._trials: list[Trial] = []
        self._errors: list[UnlearningError] = []
        self._forbidden: list[str] = []
        self.tried: list[dict[str, Any]] = []

    def best(self) -> Trial:
        """The first trial that is enough, or else the best of all.

        Raises:
            UnlearningError: there is none.
        """
        left = candidates(methods(), self._problem)
        while (candidate := take_next(left, self._problem, kept=self._kept)) is not None:
            reason = self._budget.forbids(candidate.name, candidate.offer.work)
            if reason is not None:
                self.tried.append({"method": candidate.name, "skipped": reason})
                self._forbidden.append(reason)
                continue
            begun = time.process_time()
            try:
                unlearned, cost = attempt(candidate.method, self._problem, self._report)
                judgement = self._judge.look(unlearned.model)
            except UnlearningError as error:
                self.tried.append({"method": candidate.name, "error": str(error)})
                self._errors.append(error)
                continue
            trial = Trial(unlearned, judgement, cost)
            self._note(trial, time.process_time() - begun)
            if trial.enough(self._problem.target_level):
                return trial
            if unlearned.guides and self._problem.guide is None:
                self._problem = replace(self._problem, guide=unlearned)
        if not self._trials:
            raise self._failure()
        # `max` takes the first of equals.
        return max(self._trials, key=lambda trial: trial.rank)

    @property
    def _kept(self) -> bool:
        """Whether a trial is as useful as the parent."""
        return any(trial.judgement.kept for trial in self._trials)

    def _note(self, trial: Trial, seconds: float) -> None:
        """Seconds go into the job's progress: a version is the same wherever it is made again."""
        self._trials.append(trial)
        self.tried.append(trial.facts())
        name = f"processor_seconds_{trial.unlearned.method}"
        self._report(Progress("unlearning", 1.0, {name: seconds}))

    def _failure(self) -> UnlearningError:
        if not self._errors:
            reasons = " ".join(self._forbidden)
            return UnlearningError(f"There is no time for any method: {reasons} {MORE_TIME}")
        for error in reversed(self._errors):
            if isinstance(error, DoesNotFitError):
                # With more memory than is free now, another attempt may well come to an end.
                return error
        failure = UnlearningError(f"No method came to an end. {self._errors[-1]} {ADVICE}")
        failure.__cause__ = self._errors[-1]
        return failure
