"""When to stop, and which checkpoint to keep, without a label.

The aim is parity: forgotten samples should look like held-out ones, no more and no less sure. A
checkpoint that predicts too differently from its parent is never kept.
"""

from dataclasses import dataclass

from torch import Tensor

from workers.statistics import membership
from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.unlearning.embedding import Embedded
from workers.unlearning.laf.config import LafConfig

# Below this many samples on one side, an AUC says next to nothing.
ENOUGH = 10


@dataclass(frozen=True)
class Look:
    """One look at the model. `gap` is None where parity cannot be measured.

    gap: the largest distance of an attack's AUC from 0.5. shortfall: how much less confident the
    model is, on average, on forgotten than on held-out samples, beyond the slack.
    """

    step: int
    agreement: float
    holdout_agreement: float | None
    gap: float | None
    shortfall: float
    aucs: dict[str, float]
    useful: bool
    parity: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Larger is better: utility first, then parity; without a held-out set, later is better."""
        if not self.useful:
            return False, self.agreement
        if self.gap is None:
            return True, float(self.step)
        return True, -(self.gap + self.shortfall)

    def metrics(self) -> dict[str, float]:
        """The figures worth plotting."""
        figures = {"agreement": self.agreement, **{f"auc_{k}": v for k, v in self.aucs.items()}}
        if self.holdout_agreement is not None:
            figures["holdout_agreement"] = self.holdout_agreement
        return figures


class Judge:
    """Looks at logits of the guard (remaining), the forgotten and the held-out samples."""

    def __init__(
        self,
        config: LafConfig,
        floors: Floors,
        guard: Embedded,
        holdout: Embedded | None,
    ) -> None:
        self.floors = floors
        self._config = config
        self._guard = guard
        self._holdout = holdout

    def look(self, step: int, guard: Tensor, forgotten: Tensor, holdout: Tensor | None) -> Look:
        """Logits (n, k) of the three sets -> what they show."""
        kept = agreement(self._guard.logits, guard)
        if self._holdout is None or holdout is None:
            useful = self.floors.allow(kept)
            return Look(step, kept, None, None, 0.0, {}, useful, parity=False)
        holdout_kept = agreement(self._holdout.logits, holdout)
        useful = self.floors.allow(kept, holdout_kept)
        if min(len(forgotten), len(holdout)) < ENOUGH:
            return Look(step, kept, holdout_kept, None, 0.0, {}, useful, parity=False)
        ours, theirs = membership.scores(forgotten), membership.scores(holdout)
        aucs = {name: membership.auc(ours[name], theirs[name]) for name in ours}
        gap = max(abs(value - 0.5) for value in aucs.values())
        lower = float(theirs["confidence"].mean() - ours["confidence"].mean())
        shortfall = max(0.0, lower - self._config.confidence_slack)
        band = self._config.parity_band + membership.standard_error(len(forgotten), len(holdout))
        parity = gap <= band and shortfall == 0.0
        return Look(step, kept, holdout_kept, gap, shortfall, aucs, useful, parity)
