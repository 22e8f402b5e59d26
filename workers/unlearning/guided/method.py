"""Redirect forgotten samples to what a student says that has never seen them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workers.unlearning.base import Problem, Report, Unlearned
from workers.unlearning.finished import finished
from workers.unlearning.guided.config import GuidedConfig
from workers.unlearning.redirect.method import redirected
from workers.unlearning.registry import get_method, register


@register
class Guided:
    """For samples that the parent knows by heart, and where no student can take its place."""

    name = "guided"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `GuidedConfig` or the distillation does not have or allow."""
        get_method("distil").check(GuidedConfig.read(parameters).student)

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`, by `problem.guide` or a student that is distilled first.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: the student's training fails, or a model's answers or a loss are not
                finite.
        """
        config = GuidedConfig.read(problem.parameters)
        if problem.guide is not None:
            return redirected(self.name, config, problem, report, problem.guide)
        compute = replace(problem.compute, saves=problem.compute.saves.within("distil"))
        own = replace(problem, parameters=config.student, compute=compute)
        student = finished(own, lambda: get_method("distil").unlearn(own, report))
        made = redirected(self.name, config, problem, report, student.model)
        return guided_by(student, made)


def guided_by(student: Unlearned, made: Unlearned) -> Unlearned:
    """The result, with what made its guide: all parameters, for defaults may be others one day."""
    return replace(
        made,
        parameters={**made.parameters, "student": dict(student.parameters)},
        summary={**made.summary, "student": dict(student.summary)},
    )
