"""Looking at one network: by what can forgotten samples be told from held-out ones in it?"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.evaluation.answers import Likeness, Seen, look
from workers.evaluation.contradiction import Contradiction, contradiction
from workers.evaluation.report import Band, Interval, Power, Worst
from workers.evaluation.shams import (
    ONE_SIDED,
    bands,
    draw_shams,
    figures,
    in_parts,
    outside,
)
from workers.evaluation.worst import worst
from workers.statistics.intervals import Z, clopper_pearson, ends, wilson
from workers.statistics.membership import Ranked, allowed_false_positives, standard_error
from workers.unlearning.embedding import Embedded

# Without a band, an AUC this close to 0.5, or a share this close to held-out ones', passes.
TOLERANCE = 0.05
# So many false alarms are allowed where a p-value decides.
FALSE_ALARMS = 0.01
# The standard normal's 80 % point: what lies so far beyond a limit is noticed four times in five.
FOUR_IN_FIVE = 0.8416

POPULATION = ("confidence", "entropy", "margin", "contradiction")
SINGLE = "memory of single samples"


@dataclass(frozen=True)
class Examination:
    """What was found in one network; `told_by` names what tells forgotten from held-out samples."""

    seen: Mapping[str, Seen]
    attacks: Mapping[str, Interval]
    contradiction: Contradiction
    worst: Worst | None
    bands: Mapping[str, Band] | None
    spread: Mapping[str, float]
    told_by: tuple[str, ...]

    def band(self, name: str) -> Band | None:
        """Of one figure, where there are held-out samples enough."""
        return None if self.bands is None else self.bands[name]


@dataclass(frozen=True)
class Populations:
    """AUCs of forgotten against held-out samples, the excess of contradicted ones, what tells."""

    figures: Mapping[str, float]
    told_by: tuple[str, ...]


class Examiner:
    """Looks at network after network with the same draws, so that they can be compared."""

    def __init__(self, like: Likeness, resamples: int, seed: int) -> None:
        self._like = like
        generator = torch.Generator().manual_seed(seed)
        self._counts = {name: len(rows) for name, rows in like.neighbours.items()}
        count, unseen = self._counts["forgotten"], self._counts["holdout"]
        self.shams = draw_shams(count, unseen, generator)
        self._resampled = (
            torch.randint(count, (resamples, count), generator=generator, dtype=torch.int32),
            torch.randint(unseen, (resamples, unseen), generator=generator, dtype=torch.int32),
        )
        self._generator = generator

    def examine(self, answers: Mapping[str, Embedded]) -> Examination:
        """`answers` of one network to the remaining, the forgotten and the held-out samples."""
        seen = look(answers, self._like)
        ours, theirs = seen["forgotten"], seen["holdout"]
        attacks = {
            name: self._attack(ours.scores[name], theirs.scores[name]) for name in ours.scores
        }
        found = contradiction(ours.contradicted, theirs.contradicted)
        single = None
        if allowed_false_positives(len(theirs.contradicted)):
            single = worst(ours.scores["memory"], theirs.scores["memory"], attacks["memory"])
        usual, spread = self._bands(theirs)
        return Examination(
            seen=seen,
            attacks=attacks,
            contradiction=found,
            worst=single,
            bands=usual,
            spread=spread,
            told_by=told_by(attacks, found, single, usual),
        )

    def populations(self, answers: Mapping[str, Embedded]) -> Populations:
        """What tells forgotten from held-out samples as populations: a part of `examine`.

        It costs a fraction, where bands make resampled intervals needless.
        """
        seen = look(answers, self._like)
        ours, theirs = seen["forgotten"], seen["holdout"]
        found = contradiction(ours.contradicted, theirs.contradicted)
        usual, _ = self._bands(theirs)
        attacks = {
            name: self._area(ours.scores[name], theirs.scores[name], resampled=usual is None)
            for name in POPULATION
            if name in ours.scores
        }
        return Populations(
            figures={name: one.auc for name, one in attacks.items()}
            | {"contradiction": found.excess},
            told_by=tuple(name for name in POPULATION if stands_out(name, attacks, found, usual)),
        )

    def power(self, parent: Examination) -> Power:
        """What was to be seen in the parent, and what these numbers of samples let be seen."""
        known = self._known(parent)
        interval = (None, None) if known is None else clopper_pearson(*known)
        return Power(
            parent_told_by=list(parent.told_by),
            known_told=None if known is None else known[0] / known[1],
            known_low=interval[0],
            known_high=interval[1],
            detectable=self._detectable(parent),
        )

    def _attack(self, forgotten: Tensor, holdout: Tensor) -> Interval:
        """AUC and true positive rate with percentile-bootstrap intervals, sides drawn apart.

        The rate's interval holds Clopper and Pearson's as well: of no hits, a bootstrap knows no
        more than that there were none.
        """
        ranked = Ranked(forgotten, holdout)
        everyone = torch.arange(len(forgotten))[None], torch.arange(len(holdout))[None]
        area = ends(in_parts(ranked.auc, *self._resampled))
        if not allowed_false_positives(len(holdout)):
            return Interval(float(ranked.auc(*everyone)), *area, None, None, None)
        rate = float(ranked.tpr(*everyone))
        low, high = ends(in_parts(ranked.tpr, *self._resampled))
        exact = clopper_pearson(round(rate * len(forgotten)), len(forgotten))
        return Interval(
            float(ranked.auc(*everyone)),
            *area,
            tpr_at_1_percent_fpr=rate,
            tpr_low=min(low, exact[0]),
            tpr_high=max(high, exact[1]),
        )

    def _area(self, forgotten: Tensor, holdout: Tensor, *, resampled: bool) -> Interval:
        """The AUC alone; without an interval, unless it is `resampled`, it is its own."""
        ranked = Ranked(forgotten, holdout)
        everyone = torch.arange(len(forgotten))[None], torch.arange(len(holdout))[None]
        found = float(ranked.auc(*everyone))
        low, high = ends(in_parts(ranked.auc, *self._resampled)) if resampled else (found, found)
        return Interval(found, low, high, None, None, None)

    def _bands(self, holdout: Seen) -> tuple[dict[str, Band] | None, dict[str, float]]:
        if self.shams is None:
            return None, {}
        found = figures(holdout, holdout, self.shams.members, self.shams.others)
        return bands(found), {name: float(values.std()) for name, values in found.items()}

    def _known(self, parent: Examination) -> tuple[int, int] | None:
        """How many sets of remaining samples stand out in the parent, and of how many sets."""
        if self.shams is None or parent.bands is None:
            return None
        sets, count = self.shams.members.shape
        if self._counts["remaining"] < count:
            return None
        order = torch.rand(sets, self._counts["remaining"], generator=self._generator)
        rows = order.argsort(dim=1)[:, :count]
        found = figures(parent.seen["remaining"], parent.seen["holdout"], rows, self.shams.others)
        return int(outside(found, parent.bands).sum()), sets

    def _detectable(self, parent: Examination) -> dict[str, float]:
        if parent.bands is not None:
            edges = {
                name: parent.bands[name].high + FOUR_IN_FIVE * parent.spread[name]
                for name in POPULATION
            }
            excess = edges.pop("contradiction")
            return {"auc": max(edges.values()), "contradiction": excess}
        sizes = self._counts["forgotten"], self._counts["holdout"]
        area = standard_error(*sizes)
        # Wilson's upper end, because a share of nothing would have no spread.
        share = min(0.5, wilson(parent.contradiction.holdout, sizes[1])[1])
        excess = (share * (1 - share) * (1 / sizes[0] + 1 / sizes[1])) ** 0.5
        return {
            "auc": 0.5 + max(TOLERANCE, Z * area) + FOUR_IN_FIVE * area,
            "contradiction": max(TOLERANCE, Z * excess) + FOUR_IN_FIVE * excess,
        }


def told_by(
    attacks: Mapping[str, Interval],
    found: Contradiction,
    single: Worst | None,
    usual: Mapping[str, Band] | None,
) -> tuple[str, ...]:
    """Names of what tells forgotten samples from held-out ones.

    Against the bands where there are any; else against an interval, or the tolerance where the
    interval is narrower than that.
    """
    telling = [name for name in POPULATION if stands_out(name, attacks, found, usual)]
    single_out = single is not None and (
        single.discoveries > 0
        or single.beyond_p < FALSE_ALARMS
        or stands_out("memory", attacks, found, usual)
    )
    return (*telling, *([SINGLE] if single_out else []))


def stands_out(
    name: str,
    attacks: Mapping[str, Interval],
    found: Contradiction,
    usual: Mapping[str, Band] | None,
) -> bool:
    """Whether one figure lies where it does not if forgotten samples are nothing special."""
    if name == "contradiction":
        value, interval, nothing = found.excess, (found.low, found.high), 0.0
    else:
        attack = attacks[name]
        value, interval, nothing = attack.auc, (attack.low, attack.high), 0.5
    if usual is not None:
        return not usual[name].low <= value <= usual[name].high
    if name in ONE_SIDED:
        return interval[0] > nothing and value - nothing > TOLERANCE
    return not interval[0] <= nothing <= interval[1] and abs(value - nothing) > TOLERANCE
