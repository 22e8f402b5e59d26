"""Redirect forgotten samples to what a student says that has never seen them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workers.unlearning.base import Offer, Problem, Report, Unlearned
from workers.unlearning.finished import finished
from workers.unlearning.guided.config import GuidedConfig
from workers.unlearning.redirect.forecast import work_of
from workers.unlearning.redirect.method import redirected
from workers.unlearning.registry import get_method, register


@register
class Guided:
    """For samples that the parent knows by heart, and where no student can take its place."""

    name = "guided"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `GuidedConfig` or the distillation does not have or allow."""
        get_method("distil").check(GuidedConfig.read(parameters).student)

    def offer(self, problem: Problem) -> Offer | None:
        """For all but encoders, once there is a guide, whose answers are the targets."""
        if problem.encodes:
            return None
        return Offer(work_of(GuidedConfig(), problem), needs_guide=True)

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`, by `problem.guide` or a student that is distilled first.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: the student's training fails, or a model's answers or a loss are not
                finite.
        """
        config = GuidedConfig.read(problem.parameters)
        guide = problem.guide or self._distilled(config, problem, report)
        made = redirected(self.name, config, problem, report, guide.model)
        # All parameters of the guide, for defaults may be others one day.
        return replace(
            made,
            parameters={**made.parameters, "student": dict(guide.parameters)},
            summary={**made.summary, "student": dict(guide.summary)},
        )

    def _distilled(self, config: GuidedConfig, problem: Problem, report: Report) -> Unlearned:
        compute = replace(problem.compute, saves=problem.compute.saves.within("distil"))
        own = replace(problem, parameters=config.student, compute=compute)
        return finished(own, lambda: get_method("distil").unlearn(own, report))
