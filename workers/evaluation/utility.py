"""Is a candidate as useful as its parent? This file alone decides it.

The audit reports the verdict, its level and the gate follow it, and so does the judge that `auto`
asks. Methods keep to `workers.statistics.floors` while they run, which is not a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.evaluation.baseline import Baseline
from workers.evaluation.closeness import Kept, cosines
from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.unlearning.embedding import Embedded

# An operator has set the floor; or it is the one that is taken where nobody has.
FIXED, DEFAULT = "fixed", "default"

KEPT = "Predictions on data that were not forgotten are kept."
CHANGED = "Predictions on data that were not forgotten have changed."
MOVED = "Representations of data that were not forgotten have moved."


@dataclass(frozen=True)
class Utility:
    """The verdict, by `rule`, and the figures that it rests on.

    agreement, holdout_agreement: with the parent, on remaining and held-out samples, with the
    smallest that is wanted of each. Where the parent's decision is owed to forgotten samples, the
    one without them is as good. cosine: of an encoder's representations with the parent's, held to
    the same floors; None of other networks. reasons: a sentence for each check that failed.
    statement: the verdict in a sentence.
    """

    agreement: float
    holdout_agreement: float | None
    remaining_floor: float
    holdout_floor: float
    cosine: Kept | None
    rule: str
    kept: bool
    reasons: tuple[str, ...]
    statement: str

    @property
    def near(self) -> float:
        """How near it is to being kept, 0 to 1: the smaller of what is the same on remaining."""
        return min(self.agreement, 1.0 if self.cosine is None else self.cosine.remaining)


def utility_of(after: Mapping[str, Embedded], baseline: Baseline) -> Utility:
    """The verdict on a candidate from what it says, read as `baseline` was.

    Both have logits (n, k) and representations (n, d) of the sets remaining, forgotten and
    holdout, in the same order; `baseline.like` knows which remaining samples are near to each.
    """
    before, floors = baseline.answers, baseline.floors
    agreed = {
        name: agreement(before[name].logits, after[name].logits, baseline.known)
        for name in before
        if name != "forgotten"
    }
    remaining, holdout = agreed["remaining"], agreed.get("holdout")
    changed = _below("Agreement with the parent", remaining, holdout, floors)
    cosine = cosines(before, after, baseline.seed) if baseline.encodes else None
    moved: tuple[str, ...] = ()
    if cosine is not None:
        what = "The mean cosine of representations with the parent's"
        moved = _below(what, cosine.remaining, cosine.holdout, floors)
    return Utility(
        agreement=remaining,
        holdout_agreement=holdout,
        remaining_floor=floors.on_remaining,
        holdout_floor=floors.on_holdout,
        cosine=cosine,
        rule=FIXED if baseline.fixed else DEFAULT,
        kept=not changed and not moved,
        reasons=(*changed, *moved),
        statement=MOVED if moved else CHANGED if changed else KEPT,
    )


def _below(what: str, remaining: float, holdout: float | None, floors: Floors) -> tuple[str, ...]:
    """A sentence for each set on which a figure is below its floor."""
    checks = [("remaining", remaining, floors.on_remaining)]
    if holdout is not None:
        checks.append(("held-out", holdout, floors.on_holdout))
    return tuple(
        f"{what} on {name} data is {found:.4f}; at least {floor:.4f} is wanted."
        for name, found, floor in checks
        if found < floor
    )
