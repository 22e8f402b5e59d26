"""Looking at one network: by what can forgotten samples be told from held-out ones in it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workers.evaluation.answers import Likeness, Seen, look
from workers.evaluation.attacks import attack
from workers.evaluation.contradiction import Contradiction, contradiction
from workers.evaluation.kinds import Strata, kinds, strata
from workers.evaluation.report import Band, Interval, Power, Worst
from workers.evaluation.shams import bands, draw_shams, figures, known_figures, outside
from workers.evaluation.worst import worst
from workers.statistics.intervals import clopper_pearson
from workers.statistics.membership import allowed_false_positives, auc
from workers.unlearning.embedding import Embedded

# So many false alarms are allowed where a p-value decides.
FALSE_ALARMS = 0.01
# The standard normal's 80 % point: what lies so far beyond a limit is noticed four times in five.
FOUR_IN_FIVE = 0.8416
# Steps to a fixed point, and what a spread or a share is at least.
FIXED, TINY = 50, 1e-6

POPULATION = ("confidence", "entropy", "margin", "contradiction")
SINGLE = "memory of single samples"


@dataclass(frozen=True)
class Within:
    """Figures within kinds, the AUC by each score and the excess contradicted, and their bands.

    spread: the standard deviation of each over the sham sets.
    """

    figures: Mapping[str, float]
    bands: Mapping[str, Band]
    spread: Mapping[str, float]

    def stands_out(self, name: str) -> bool:
        """Whether one figure lies where it does not if forgotten samples are nothing special."""
        return not self.bands[name].low <= self.figures[name] <= self.bands[name].high


@dataclass(frozen=True)
class Examination:
    """What was found in one network; `told_by` names what tells forgotten from held-out samples."""

    seen: Mapping[str, Seen]
    attacks: Mapping[str, Interval]
    contradiction: Contradiction
    worst: Worst | None
    matched: Strata
    within: Within
    told_by: tuple[str, ...]


@dataclass(frozen=True)
class Populations:
    """AUCs of forgotten against held-out samples, the excess of contradicted ones, what tells.

    `within_kinds` are the figures that decide.
    """

    figures: Mapping[str, float]
    within_kinds: Mapping[str, float]
    told_by: tuple[str, ...]


class Examiner:
    """Looks at network after network with the same draws, so that they can be compared."""

    def __init__(self, like: Likeness, seed: int, resamples: int = 200) -> None:
        """Intervals come from as many `resamples`."""
        self._like = like
        self._seed, self._resamples = seed, resamples

    def examine(self, answers: Mapping[str, Embedded]) -> Examination:
        """`answers` of one network to the remaining, the forgotten and the held-out samples."""
        seen = look(answers, self._like)
        ours, theirs = seen["forgotten"], seen["holdout"]
        matched = strata(kinds(seen))
        attacks = {
            name: attack(ours.scores[name], theirs.scores[name], self._resampled)
            for name in ours.scores
        }
        single = None
        if allowed_false_positives(len(theirs.contradicted)):
            memories = ours.scores["memory"], theirs.scores["memory"]
            single = worst(*memories, attacks["memory"], matched)
        within = self._within(ours, theirs, matched)
        return Examination(
            seen=seen,
            attacks=attacks,
            contradiction=contradiction(ours.contradicted, theirs.contradicted),
            worst=single,
            matched=matched,
            within=within,
            told_by=told_by(within, single),
        )

    def populations(self, answers: Mapping[str, Embedded]) -> Populations:
        """What tells forgotten from held-out samples as populations: a part of `examine`.

        It costs a fraction, for it has no intervals.
        """
        seen = look(answers, self._like)
        ours, theirs = seen["forgotten"], seen["holdout"]
        within = self._within(ours, theirs, strata(kinds(seen)))
        found = {
            name: contradiction(ours.contradicted, theirs.contradicted).excess
            if name == "contradiction"
            else auc(ours.scores[name], theirs.scores[name])
            for name in POPULATION
        }
        return Populations(
            figures=found,
            within_kinds={name: within.figures[name] for name in POPULATION},
            told_by=told_by(within, None),
        )

    def power(self, parent: Examination, candidate: Examination) -> Power:
        """What was to be seen in the parent, and what would be seen in a network like this one."""
        known = self._known(parent)
        # Of held-out samples in the mix of kinds of the forgotten ones.
        share = candidate.contradiction.forgotten - candidate.within.figures["contradiction"]
        interval = (None, None) if known is None else clopper_pearson(*known)
        return Power(
            parent_told_by=list(parent.told_by),
            known_told=None if known is None else known[0] / known[1],
            known_low=interval[0],
            known_high=interval[1],
            detectable=detectable(candidate.within, share, candidate.matched),
        )

    @cached_property
    def _resampled(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self._seed)
        n, h = (len(self._like.neighbours[name]) for name in ("forgotten", "holdout"))
        return (
            torch.randint(n, (self._resamples, n), generator=generator, dtype=torch.int32),
            torch.randint(h, (self._resamples, h), generator=generator, dtype=torch.int32),
        )

    def _within(self, ours: Seen, theirs: Seen, matched: Strata) -> Within:
        roles = draw_shams(matched, torch.Generator().manual_seed(self._seed))
        found = figures(ours, theirs, matched, roles)
        return Within(
            figures={name: float(values[0]) for name, values in found.items()},
            bands=bands(found),
            spread={name: float(values[1:].std()) for name, values in found.items()},
        )

    def _known(self, parent: Examination) -> tuple[int, int] | None:
        """How many sets of remaining samples stand out in the parent, and of how many sets."""
        found = known_figures(
            parent.seen["remaining"],
            parent.seen["holdout"],
            parent.matched,
            torch.Generator().manual_seed(self._seed),
        )
        if found is None:
            return None
        standing = outside(found, parent.within.bands)
        return int(standing.sum()), len(standing)


def detectable(within: Within, share: float, matched: Strata) -> dict[str, float]:
    """The AUC, and the excess of contradicted samples, that four in five such audits notice.

    `share` of held-out samples is contradicted. The more forgotten ones are, the wider is the band,
    by the share of both together, and the wider do their shares spread: a fixed point.
    """
    areas = [name for name in POPULATION if name != "contradiction"]
    area = max(within.bands[name].high + FOUR_IN_FIVE * within.spread[name] for name in areas)
    # A cut is as far out for one figure as for another, in standard deviations.
    far = max((within.bands[name].high - 0.5) / max(within.spread[name], TINY) for name in areas)
    n, h = (matched.sizes[name].double() for name in ("forgotten", "holdout"))
    ours = 1 / float(n.sum())
    theirs = float(((n * ours).square() / h).sum())
    part = float(n.sum() / (n.sum() + h.sum()))
    excess = 0.0
    for _ in range(FIXED):
        rest = max(share, TINY)
        both, more = min(0.5, rest + part * excess), min(0.5, rest + excess)
        band = far * (both * (1 - both) * (ours + theirs)) ** 0.5
        spread = (more * (1 - more) * ours + rest * (1 - rest) * theirs) ** 0.5
        excess = band + FOUR_IN_FIVE * spread
    return {"auc": area, "contradiction": min(1.0, excess)}


def told_by(within: Within, single: Worst | None) -> tuple[str, ...]:
    """Names of what tells forgotten samples from held-out ones."""
    telling = [name for name in POPULATION if within.stands_out(name)]
    single_out = single is not None and (
        single.discoveries > 0 or single.beyond_p < FALSE_ALARMS or within.stands_out("memory")
    )
    return (*telling, *([SINGLE] if single_out else []))
