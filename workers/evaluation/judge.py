"""Judges the result of a method before the audit: by the audit's measures, on other samples."""

from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from workers.evaluation.baseline import Baseline
from workers.evaluation.examination import Examiner
from workers.evaluation.levels import named
from workers.evaluation.reading import Reader
from workers.evaluation.utility import utility_of
from workers.statistics.floors import Floors
from workers.unlearning.base import Judgement, Problem
from workers.unlearning.embedding import draw
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied

SAMPLES, BATCH = 5000, 512
# The audit draws with the seed and the one after it. It must not measure a result with the samples
# and the fresh network by which that result was chosen.
APART = 2


class AuditJudge:
    """Says whether a result is as useful as the parent, and whether populations tell it apart.

    It finds the level `membership` at most. What a training on remaining samples brings back, and
    single samples, are left to the audit. Where `utility` is all that a problem asks for, nothing
    more is measured.
    """

    def __init__(self, problem: Problem) -> None:
        """Nothing is read yet."""
        self._problem = problem
        self._seed = problem.seed + APART

    def look(self, model: nn.Module) -> Judgement:
        """Hold `model` against the parent. All processes of a job must ask.

        Raises:
            ValueError: there are no remaining or no forgotten samples.
            TapError, UnlearningError: a model's answers cannot be used.
        """
        with isolated(self._problem.device, self._seed):
            baseline = self._baseline
            after = baseline.reader.read(copied(model, self._problem.device))
            utility = utility_of(after, baseline)
            facts: dict[str, Any] = {
                "agreement": utility.agreement,
                "holdout_agreement": utility.holdout_agreement,
                "cosine": None if utility.cosine is None else asdict(utility.cosine),
                "rule": utility.rule,
            }
            if self._examiner is None:
                reason = self._not_asked or baseline.unmeasured
                facts["not_measured"] = {"membership": reason}
                level = "utility" if utility.kept else "none"
                return Judgement(
                    utility.kept, level, utility.reasons, facts, "utility", utility.near
                )
            found = self._examiner.populations(after)
        facts |= {
            "told_by": list(found.told_by),
            "populations": dict(found.figures),
            "within_kinds": dict(found.within_kinds),
        }
        held_back = utility.reasons
        if found.told_by:
            by = named(found.told_by)
            told = f"Forgotten samples can still be told from held-out ones, by {by}."
            held_back = (*held_back, told)
        level = "none" if not utility.kept else "utility" if found.told_by else "membership"
        return Judgement(utility.kept, level, held_back, facts, near=utility.near)

    @property
    def _not_asked(self) -> str | None:
        asked = self._problem.target_level
        return "It is not asked for." if asked in ("none", "utility") else None

    @cached_property
    def _baseline(self) -> Baseline:
        problem, seed = self._problem, self._seed
        sets = {"remaining": problem.remaining, "forgotten": problem.forgotten}
        if not all(map(len, sets.values())):
            raise ValueError("A judge needs remaining and forgotten samples.")
        if problem.holdout is not None and len(problem.holdout):
            sets["holdout"] = problem.holdout
        generator = torch.Generator().manual_seed(seed)
        chosen = {name: draw(len(found), SAMPLES, generator) for name, found in sets.items()}
        # In float32, whatever the method computed in: the audit will look at it so.
        exact = problem.compute.exact()
        reader = Reader(sets, chosen, problem.tap, problem.device, BATCH, _unheard, 1, exact)
        torch.manual_seed(seed)
        parent, fresh = (copied(one, problem.device) for one in (problem.model, problem.fresh()))
        floors = Floors(problem.min_agreement, len(problem.forgotten), len(problem.remaining))
        return Baseline(reader, parent, fresh, floors, problem.fixed_floor, problem.encodes, seed)

    @cached_property
    def _examiner(self) -> Examiner | None:
        baseline = self._baseline
        if self._not_asked or baseline.unmeasured or baseline.like is None:
            return None
        return Examiner(baseline.like, self._seed)


def _unheard(_fraction: float) -> None:
    """A judge is quick, so it reports no progress."""


def judged(problem: Problem) -> Problem:
    """The same problem with a judge of it."""
    return replace(problem, judge=AuditJudge(problem))
