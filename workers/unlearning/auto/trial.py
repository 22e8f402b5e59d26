"""One method's result, as the judge finds it, and which of several is the best."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from workers.unlearning.base import LEVELS, Judgement, Method, Problem, Report, Unlearned
from workers.unlearning.finished import finished
from workers.unlearning.work import CountedSavepoints, Tally, Work

NO_END = "The method did not come to its own end."


@dataclass(frozen=True)
class Trial:
    """A result and its judgement; `cost` counts the samples that it took."""

    unlearned: Unlearned
    judgement: Judgement
    cost: Work

    def enough(self, target: str) -> bool:
        """Whether nothing better is looked for: it is kept, at its end, and at the target level.

        Where the judge cannot find the target level, the highest one that it can find is enough.
        """
        found, reached = self.judgement, self.unlearned.reached
        wanted = min(LEVELS.index(target), LEVELS.index(found.highest))
        return found.kept and reached and LEVELS.index(found.level) >= wanted

    @property
    def rank(self) -> tuple[bool, int, bool, float]:
        """Larger is better: kept, then the level, then its own end reached.

        Among results that are kept, agreement does not count: the one that has forgotten least
        agrees most. `auto` takes the first of equals, which is the cheapest.
        """
        found = self.judgement
        near = 0.0 if found.kept else found.near
        return found.kept, LEVELS.index(found.level), self.unlearned.reached, near

    def facts(self) -> dict[str, Any]:
        """What `unlearning.json` says of it: the same in each run of a job, so without seconds."""
        reached = self.unlearned.reached
        return {
            "method": self.unlearned.method,
            **self.judgement.facts,
            "kept": self.judgement.kept,
            "reached": reached,
            "level": self.judgement.level,
            "held_back": [*self.judgement.held_back, *([] if reached else [NO_END])],
            "cost": asdict(self.cost),
        }


def attempt(method: Method, problem: Problem, report: Report) -> tuple[Unlearned, Work]:
    """One method with its defaults, and what was counted of it.

    What a run that was killed has finished is not done again, and is counted all the same.
    """
    tally, saves = Tally(), problem.compute.saves.within(method.name)
    compute = replace(problem.compute, saves=CountedSavepoints(saves, tally), tally=tally)
    parameters: Mapping[str, Any] = {}
    own = replace(problem, parameters=parameters, compute=compute)
    return finished(own, lambda: method.unlearn(own, report)), tally.work()
