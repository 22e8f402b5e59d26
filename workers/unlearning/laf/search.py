"""The search for a checkpoint: steps, looks, rewinds, and the best one is kept."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workers.unlearning.base import Progress, Report
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.step import Stepper
from workers.unlearning.laf.stopping import Look
from workers.unlearning.resuming import named, under
from workers.unlearning.savepoints import Saved, Savepoints


def step_budget(config: LafConfig, forgotten: int) -> int:
    """`epochs` passes over the forgotten samples, but within `min_steps` and `max_steps`."""
    passes = config.epochs * math.ceil(forgotten / config.forget_batch)
    return min(max(passes, config.min_steps), config.max_steps)


@dataclass(frozen=True)
class Checkpoint:
    """Weights, what a look at them showed, and how good that is: larger is better."""

    look: Look
    weights: list[Tensor]
    rank: tuple[bool, bool, tuple[bool, float]]


class Search:
    """Moves `trained`, the weights, in place; after `run` they are those of the best checkpoint."""

    def __init__(
        self,
        config: LafConfig,
        trained: list[nn.Parameter],
        stepper: Stepper,
        look: Callable[[int], Look],
        report: Report,
        saves: Savepoints,
    ) -> None:
        self._config = config
        self._trained = trained
        self._stepper = stepper
        self._look = look
        self._report = report
        self._saves = saves
        # The parent ranks below all others, so that it is never what a run ends with: it would pass
        # every check of utility, with nothing forgotten.
        self._start = Checkpoint(look(0), self._copy(), (False, False, (False, -1.0)))
        self._best = self._start
        self._stale = 0
        self._steps = 0
        self._rewinds = 0
        self._ended = "the step budget was used up"

    def run(self, budget: int) -> dict[str, Any]:
        """Take up to `budget` steps -> what happened, in plain JSON."""
        self._resume()
        for step in range(self._steps + 1, budget + 1):
            parts = self._stepper.step()
            self._steps = step
            if step % self._config.check_every == 0 or step == budget:
                seen = self._look(step)
                losses = {f"loss_{name}": float(part) for name, part in parts.items()}
                metrics = losses | seen.metrics()
                self._report(Progress("unlearning", step / budget, metrics))
                if self._finished(seen, min(self._config.earliest_stop, budget)):
                    break
            if self._saves.due():
                self._saves.save("search", self._state())
        self._restore(self._best.weights)
        self._report(Progress("unlearning", 1.0, self._best.look.metrics()))
        return self._summary(self._start.look, self._best.look)

    def _state(self) -> Saved:
        best, stepper = self._best, self._stepper.state()
        tensors = stepper.tensors | named("now", _numbered(self._copy()))
        facts: dict[str, Any] = {
            "steps": self._steps,
            "stale": self._stale,
            "rewinds": self._rewinds,
            "best": None,
        }
        if best is not self._start:
            tensors |= named("best", _numbered(best.weights))
            facts["best"] = {"look": asdict(best.look), "late": best.rank[1]}
        return Saved(tensors, stepper.facts | facts)

    def _resume(self) -> None:
        """Be where a search was whose run was killed, if there was one."""
        saved = self._saves.load("search")
        if saved is None:
            return
        facts, found = saved.facts, saved.facts["best"]
        self._steps, self._stale, self._rewinds = facts["steps"], facts["stale"], facts["rewinds"]
        if found is not None:
            look = Look(**found["look"])
            weights = _listed(under("best", saved.tensors), self._trained)
            self._best = Checkpoint(look, weights, (look.useful, found["late"], look.rank))
        self._restore(_listed(under("now", saved.tensors), self._trained))
        self._stepper.restore(saved)

    def _summary(self, first: Look, kept: Look) -> dict[str, Any]:
        return {
            "ended_because": self._ended,
            "steps_taken": self._steps,
            "step_kept": kept.step,
            "rewinds": self._rewinds,
            "forget_weight_at_end": self._stepper.forget_weight,
            "learning_rate_at_end": self._stepper.learning_rate,
            "parity_at_start": first.parity,
            "parity_measured": kept.gap is not None,
            "parity_reached": kept.parity,
            "agreement_kept": kept.useful,
            "before": first.metrics(),
            "after": kept.metrics(),
        }

    def _finished(self, look: Look, earliest: int) -> bool:
        late = look.step >= earliest
        rank = look.useful, late, look.rank
        if rank > self._best.rank:
            self._best, self._stale = Checkpoint(look, self._copy(), rank), 0
        elif late:
            self._stale += 1
        if not look.useful:
            return self._rewound()
        if late and look.parity:
            self._ended = "forgotten and held-out samples could not be told apart"
            return True
        if self._stale >= self._config.patience:
            self._ended = "the checkpoints no longer became better"
            return True
        return False

    def _rewound(self) -> bool:
        if self._rewinds == self._config.max_rewinds:
            self._ended = "agreement broke again after the last rewind"
            return True
        good = self._best if self._best.look.useful else self._start
        self._restore(good.weights)
        self._stepper.restart(0.5)
        self._rewinds += 1
        self._stale = 0
        return False

    def _copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self._trained]

    def _restore(self, weights: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, saved in zip(self._trained, weights, strict=True):
                parameter.copy_(saved)


def _numbered(weights: list[Tensor]) -> dict[str, Tensor]:
    return {str(number): tensor for number, tensor in enumerate(weights)}


def _listed(weights: dict[str, Tensor], like: list[nn.Parameter]) -> list[Tensor]:
    return [weights[str(number)].to(parameter.device) for number, parameter in enumerate(like)]
