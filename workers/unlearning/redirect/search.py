"""The attempts of an edit, one after the other, each with steps of another kind."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from workers.unlearning.base import Problem, Progress, Report
from workers.unlearning.layout import copied
from workers.unlearning.redirect.attempt import Attempt, Look, Stride, Tried
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.edit import Edit
from workers.unlearning.resuming import named, under
from workers.unlearning.savepoints import Saved

# How often the step size is divided by three before the first step, where nothing is to be turned.
SMALL = 2

# How much heavier forgotten samples weigh in an attempt, where those before it turned too few.
HARDER = 3.0


# What releases before this one kept was of other forms, under "edit" and "attempts".
SAVED = "tries"


@dataclass(frozen=True)
class _Stand:
    """How far a search is.

    strides: of this attempt, and of those that may follow. rewinds: how many attempts were made
    before. best: of these.
    """

    strides: list[Stride]
    rewinds: int = 0
    best: Tried | None = None


class Search:
    """For the first attempt that turns enough and keeps agreement, or the best of them."""

    def __init__(self, config: RedirectConfig, problem: Problem, edit: Edit, report: Report):
        self._config = config
        self._problem = problem
        self._edit = edit
        self._report = report

    def go(self) -> tuple[Tried, int]:
        """What is taken, and how many attempts there were after the first one.

        Raises:
            UnlearningError: a loss or its gradient is not finite.
        """
        saved = self._problem.compute.saves.load(SAVED)
        at = _Stand(self._strides()) if saved is None else self._restored(saved)
        while True:
            tried = self._edit.attempt(at.strides[0], self._tell, partial(self._save, at), saved)
            saved = None
            best = tried if at.best is None or self._rank(tried) > self._rank(at.best) else at.best
            left = self._left(at, tried)
            if not left:
                return best, at.rewinds
            at = _Stand(left, at.rewinds + 1, best)

    def _strides(self) -> list[Stride]:
        """By what the step size is multiplied, attempt by attempt.

        Where nothing shows that anything was learnt by heart, large steps would disturb for
        nothing; they come next, if small ones turn too few. Where nothing is to be turned, and
        only confidence is to be brought down, there is no need for them. Log-odds disturb
        as well, so small steps for doubtful samples do without them.
        """
        cautions = [3.0**-rewinds for rewinds in range(self._config.max_rewinds + 1)]
        if self._edit.nothing_to_turn:
            cautions = cautions[SMALL:] or cautions[-1:]
        elif self._edit.doubtful:
            cautions[:2] = reversed(cautions[:2])
        doubtful = self._edit.nothing_to_turn or self._edit.doubtful
        return [Stride(caution, odds=not doubtful) for caution in cautions]

    def _left(self, at: _Stand, tried: Tried) -> list[Stride]:
        """What is worth another attempt.

        Larger steps than those that have lost agreement would lose it as well, and smaller ones
        than those that have kept it and turned too few would turn fewer: where no larger ones are
        left, forgotten samples weigh more instead.
        """
        this, *left = at.strides
        kept, turned = self._edit.kept(tried.look), self._edit.turned(tried.look)
        if kept and turned:
            return []
        near = not self._edit.hopeless(tried.look)
        if not kept and near and this.odds and self._config.odds_weight:
            # What is asked of log-odds disturbs more than an edit of decisions alone. But where
            # agreement is far gone, steps were too large.
            return [replace(stride, odds=False) for stride in at.strides]
        if not kept:
            return [stride for stride in left if stride.caution < this.caution]
        if not tried.lasted:
            return left
        larger = [stride for stride in left if stride.caution > this.caution]
        more = at.rewinds < self._config.max_rewinds and not self._edit.reached(tried.look)
        return larger or ([replace(this, pull=this.pull * HARDER)] if more else [])

    def _rank(self, tried: Tried) -> tuple[bool, float]:
        return self._edit.kept(tried.look), tried.look.turned

    def _tell(self, look: Look) -> None:
        fraction = min(0.99, look.step / self._config.max_steps)
        self._report(Progress("unlearning", fraction, look.metrics()))

    def _save(self, stand: _Stand, at: Attempt) -> None:
        saves = self._problem.compute.saves
        if not saves.due():
            return
        state = at.state()
        tensors = state.tensors
        facts: dict[str, Any] = {
            "strides": [asdict(stride) for stride in stand.strides],
            "rewinds": stand.rewinds,
            "tried": None,
        }
        if stand.best is not None:
            tensors = tensors | named("tried", stand.best.student.state_dict())
            facts["tried"] = {"look": asdict(stand.best.look), "lasted": stand.best.lasted}
        saves.save(SAVED, Saved(tensors, state.facts | facts))

    def _restored(self, saved: Saved) -> _Stand:
        """Where a run that was killed had come."""
        strides = [Stride(**stride) for stride in saved.facts["strides"]]
        rewinds, tried = saved.facts["rewinds"], saved.facts["tried"]
        if tried is None:
            return _Stand(strides, rewinds)
        model = copied(self._problem.model, self._problem.device)
        model.load_state_dict(under("tried", saved.tensors))
        return _Stand(strides, rewinds, Tried(model, Look(**tried["look"]), tried["lasted"]))
