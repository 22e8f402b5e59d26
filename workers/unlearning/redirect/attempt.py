"""One try of an edit, as far as it has come."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from workers.unlearning.adam import Adam
from workers.unlearning.batches import Cycle
from workers.unlearning.copying import duplicate
from workers.unlearning.redirect.targets import Aim
from workers.unlearning.resuming import (
    named,
    random_state,
    restore_random_state,
    under,
)
from workers.unlearning.savepoints import Saved


@dataclass(frozen=True)
class Look:
    """How far an edit is.

    agreement, unseen_agreement: with the parent, on the guard and on held-out samples. turned: of
    the forgotten samples that were to be turned, the share that are. apart: how well the log-odds
    of all forgotten samples can be told from what they are to be, among those with the same
    decision, as the distance of an AUC from 0.5; 0 where there are too few samples to tell.
    """

    step: int
    agreement: float
    unseen_agreement: float
    turned: float
    apart: float

    def metrics(self) -> dict[str, float]:
        return {
            "agreement": self.agreement,
            "holdout_agreement": self.unseen_agreement,
            "turned": self.turned,
            "confidence_apart": self.apart,
        }


@dataclass(frozen=True)
class Stride:
    """By what the step size of a try is multiplied, and the weight of forgotten samples in it.

    odds: whether the log-odds of forgotten samples are in its loss and in its end.
    """

    caution: float
    pull: float = 1.0
    odds: bool = True


@dataclass(frozen=True)
class Tried:
    """The network of one try at its best look, and whether agreement lasted to the end of it."""

    student: nn.Module
    look: Look
    lasted: bool


@dataclass
class Attempt:
    """The network that is edited, the average of its weights, and what the looks have shown.

    `wanted` is what forgotten samples are to be answered with now. In looks: `stale` without
    coming nearer, `settled` with enough turned, `lost` without agreement.
    """

    student: nn.Module
    average: nn.Module
    optimizer: Adam
    forgotten: Cycle
    generator: torch.Generator
    device: torch.device
    wanted: Aim
    best: tuple[Look, nn.Module] | None = None
    step: int = 0
    nearest: float = 1.0
    stale: int = 0
    settled: int = 0
    lost: int = 0

    def state(self) -> Saved:
        tensors = (
            named("optimizer", self.optimizer.state())
            | named("student", self.student.state_dict())
            | named("average", self.average.state_dict())
            | random_state(self.device, self.generator)
            | {"rows": self.forgotten.left}
            | named("wanted", vars(self.wanted))
        )
        facts: dict[str, Any] = {
            "counts": [self.step, self.nearest, self.stale, self.settled, self.lost],
            "best": None,
        }
        if self.best is not None:
            tensors |= named("best", self.best[1].state_dict())
            facts["best"] = asdict(self.best[0])
        return Saved(tensors, facts)

    def restore(self, saved: Saved) -> None:
        """Be where an attempt was whose run was killed."""
        self.student.load_state_dict(under("student", saved.tensors))
        self.average.load_state_dict(under("average", saved.tensors))
        self.optimizer.restore(under("optimizer", saved.tensors))
        restore_random_state(saved.tensors, self.device, self.generator)
        self.forgotten.left = saved.tensors["rows"]
        self.wanted = Aim(**under("wanted", saved.tensors))
        self.step, self.nearest, self.stale, self.settled, self.lost = saved.facts["counts"]
        if saved.facts["best"] is not None:
            model = duplicate(self.average)
            model.load_state_dict(under("best", saved.tensors))
            self.best = Look(**saved.facts["best"]), model
