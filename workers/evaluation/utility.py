"""Is a candidate as useful as its parent? This file alone decides it.

The audit reports the verdict, its level and the gate follow it, and so does the judge that `auto`
asks. Methods keep to `workers.statistics.floors` while they run, which is not a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from workers.evaluation.baseline import Baseline
from workers.evaluation.closeness import Kept, cosines
from workers.evaluation.disputes import Count, Disputes, disputes, judges_of, too_few
from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.unlearning.embedding import Embedded

# An operator has set the floor. Else changed decisions are judged; and where no samples can judge
# them, there is a floor that is taken by default.
FIXED, DISPUTES, DEFAULT = "fixed", "disputes", "default"

# Networks that were retrained differ from the parent on fewer of the samples that they have in
# common than the parent is unsure of. `python -m bench.gate` shows what this share lets pass.
DOUBTS = 0.75

# Neighbours that agree with the parent on a smaller share of samples cannot judge.
TRUSTED = 0.5

KEPT = "Predictions on data that were not forgotten are kept."
AS_GOOD = "Predictions on data that were not forgotten have changed, and not for the worse."
CHANGED = "Predictions on data that were not forgotten have changed."
MOVED = "Representations of data that were not forgotten have moved."


@dataclass(frozen=True)
class Utility:
    """The verdict, by `rule`, and the figures that it rests on.

    agreement, holdout_agreement: with the parent, on remaining and held-out samples, with the
    smallest that is wanted of each. Where the parent's decision is owed to forgotten samples, the
    one without them is as good. cosine: of an encoder's representations with the parent's, held to
    the same floors; None of other networks. disputes: what neighbours find where parent and
    candidate differ, by set; None where nothing was judged. reasons: a sentence for each check that
    failed. statement: the verdict in a sentence.
    """

    agreement: float
    holdout_agreement: float | None
    remaining_floor: float
    holdout_floor: float
    cosine: Kept | None
    disputes: Mapping[str, Disputes] | None
    rule: str
    kept: bool
    reasons: tuple[str, ...]
    statement: str

    @property
    def near(self) -> float:
        """How near it is to being kept: agreement or cosine on remaining samples, the smaller."""
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
    found = Utility(
        agreement=remaining,
        holdout_agreement=holdout,
        remaining_floor=floors.on_remaining,
        holdout_floor=floors.on_holdout,
        cosine=cosine,
        disputes=None,
        rule=FIXED if baseline.fixed else DEFAULT,
        kept=not changed and not moved,
        reasons=(*changed, *moved),
        statement=MOVED if moved else CHANGED if changed else KEPT,
    )
    judged = not (baseline.fixed or baseline.encodes or holdout is None)
    return _judged(found, after, baseline) if judged else found


def _judged(by_floors: Utility, after: Mapping[str, Embedded], baseline: Baseline) -> Utility:
    """The verdict by disputes: floors that a retrained network keeps to, and no loss.

    Below a floor for held-out samples, agreement is held to that of neighbours alone, and a sign
    test has to find no part lost. Else a loss counts where it is clear. Classes of which much is
    forgotten are a part of their own. Where neighbours cannot judge, the verdict stays that by
    floors.
    """
    before, sizes = baseline.answers, (baseline.floors.remaining, baseline.floors.forgotten)
    judges = judges_of(
        before["remaining"].logits, before["forgotten"].logits, sizes, baseline.known
    )
    floor = min(by_floors.remaining_floor, 1.0 - DOUBTS * judges.doubt)
    found = replace(by_floors, rule=DISPUTES, remaining_floor=floor)
    unseen = found.holdout_agreement
    assert unseen is not None  # noqa: S101 (the caller has looked)
    keeps = found.agreement >= floor and unseen >= found.holdout_floor
    counts = {
        name: (round((1.0 - agreed) * len(after[name])), len(after[name]))
        for name, agreed in (("remaining", found.agreement), ("holdout", unseen))
    }
    if keeps and all(too_few(*count) for count in counts.values()):
        return replace(found, kept=True, reasons=(), statement=KEPT)
    like = baseline.like
    if like is None:
        # A network of fewer than two classes has nothing to decide.
        return by_floors
    judged = {
        name: disputes(
            before[name].logits,
            after[name].logits,
            like.neighbours[name],
            judges,
            seen=name == "remaining",
        )
        for name in counts
    }
    if min(one.neighbours_agreement for one in judged.values()) < TRUSTED:
        return by_floors
    lowest = min(found.holdout_floor, judged["holdout"].neighbours_low)
    reasons = (
        *_wanted("Agreement with the parent", "remaining", found.agreement, floor),
        *_wanted("Agreement with the parent", "held-out", unseen, lowest),
        *(
            _lost(NAMES[name], part, one)
            for name, found_of in judged.items()
            for part, one in found_of.counts.items()
            if (one.are_clearly_lost if keeps else one.are_lost)
        ),
    )
    statement = KEPT if keeps else AS_GOOD
    return replace(
        found,
        holdout_floor=lowest,
        disputes=judged,
        kept=not reasons,
        reasons=reasons,
        statement=CHANGED if reasons else statement,
    )


NAMES = {"remaining": "remaining", "holdout": "held-out"}
PARTS = {"whole": "", "thinned": " of classes of which much is forgotten"}


def _lost(name: str, part: str, of: Count) -> str:
    return (
        f"Decisions on {name} data{PARTS[part]} have become worse: {of.disputed} of {of.samples} "
        f"have changed, and similar remaining samples support the candidate in {of.won} of these "
        f"and the parent in {of.lost}."
    )


def _below(what: str, remaining: float, holdout: float | None, floors: Floors) -> tuple[str, ...]:
    """A sentence for each set on which a figure is below its floor."""
    found = _wanted(what, "remaining", remaining, floors.on_remaining)
    if holdout is not None:
        found += _wanted(what, "held-out", holdout, floors.on_holdout)
    return found


def _wanted(what: str, name: str, found: float, floor: float) -> tuple[str, ...]:
    if found >= floor:
        return ()
    return (f"{what} on {name} data is {found:.4f}; at least {floor:.4f} is wanted.",)
