"""Where a candidate and its parent decide differently: whom do similar remaining samples support?

Agreement counts every changed decision as a loss. But a network that was retrained without wrong
labels changes decisions for the better, and any retrained network changes those that hang by a
hair. So each changed decision is a dispute, and the remaining samples that are nearest, in the
space that `likeness` has chosen, are its judges: they vote by what the parent decides about them.
No training of either network has had a part in that space.

A retrained network gets worse where many samples of a class were forgotten, and hardly elsewhere.
Damage is everywhere. So disputes about thinned classes are judged apart from the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from workers.statistics.hindsight import Hindsight
from workers.statistics.intervals import at_least, wilson
from workers.statistics.shares import EMPTIED, among_others

# The level of the sign test, for a candidate that changes more decisions than the floors allow.
CHANCE = 0.05
# One-sided 95 % point of the standard normal.
ONE_SIDED = 1.645
# A net loss up to this share of all decisions is negligible: half a point.
NEGLIGIBLE = 0.005
# And of so many of the decisions that the parent is unsure of: a network that was trained for a
# short time decides these otherwise when it is trained again, and its neighbours side with it.
UNSURE = 0.05
# A class is thinned if more than this share of it is forgotten.
THINNED = 0.2
# Errors go with these powers of the number of samples: where a class keeps most of its samples
# (Hestness et al., arXiv 1712.00409, report 0.07 to 0.5), and where it is thinned, since networks
# then take its samples for others' and are trained on it for fewer steps (`python -m bench.gate`).
POWER, POWER_OF_THINNED = 0.5, 2.0


@dataclass(frozen=True)
class Count:
    """Disputes about some of the samples of a set.

    samples: that both networks have decided about. disputed: those that they decide differently,
    hindsight considered. won, lost: disputes in which neighbours support the candidate, and the
    parent; they are divided about the others. tolerated: the share of all decisions that a
    retrained network may lose, net.
    """

    samples: int
    disputed: int
    won: int
    lost: int
    tolerated: float

    @property
    def net_loss(self) -> float:
        """Decisions that were lost less those that were won, as a share of all; below 0: a gain."""
        return (self.lost - self.won) / self.samples

    @property
    def chance(self) -> float:
        """The chance of as few won disputes, if each were won as often as lost: a sign test."""
        decided = self.won + self.lost
        return at_least(self.lost, decided, 0.5) if decided else 1.0

    @property
    def are_lost(self) -> bool:
        """Whether fewer are won than chance explains, by more than a retrained network loses."""
        return self.chance < CHANCE and self.net_loss > self.tolerated

    @property
    def are_clearly_lost(self) -> bool:
        """Whether the net loss is shown to be more than a retrained network loses.

        Its one-sided 95 % lower bound counts; the standard error is that of won and lost disputes
        as multinomial counts.
        """
        decided = self.won + self.lost
        error = sqrt((decided / self.samples - self.net_loss**2) / self.samples)
        return self.net_loss - ONE_SIDED * error > self.tolerated


@dataclass(frozen=True)
class Disputes:
    """Changed decisions of one set.

    counts: by the class that neighbours find, "whole" of classes that keep most of their samples,
    "thinned" of the others; a part without samples is left out. neighbours_agreement: the share of
    the samples on which neighbours alone decide as the parent does; `neighbours_low` is the lower
    end of its 95 % interval.
    """

    counts: Mapping[str, Count]
    neighbours_agreement: float
    neighbours_low: float


@dataclass(frozen=True)
class Judges:
    """What all disputes of a candidate are judged by; the parent's, but for `share`.

    remaining: its logits (r, k) of the remaining samples. thinned: the share of each class that is
    forgotten, (k,), as the parent decides about all samples. share: of all samples that are
    forgotten. doubt: 1 less its mean confidence in remaining samples. known: what of its answers is
    owed to forgotten samples.
    """

    remaining: Tensor
    thinned: Tensor
    share: float
    doubt: float
    known: Hindsight


def judges_of(
    remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int], known: Hindsight
) -> Judges:
    """From the parent's logits (r, k) and (f, k) of the two sets, or of draws from them.

    sizes: how many remaining and forgotten samples there are in all.
    """
    shares = [
        _without_emptied(logits, known).bincount(minlength=logits.shape[1]).double()
        * (size / len(logits))
        for logits, size in zip((remaining, forgotten), sizes, strict=True)
    ]
    sure = remaining.softmax(dim=1).max(dim=1).values.double().mean()
    return Judges(
        remaining=remaining,
        # A class of which less remains is emptied, and decides nothing.
        thinned=(shares[1] / (shares[0] + shares[1]).clamp(min=1.0)).clamp(max=1.0 - EMPTIED),
        share=sizes[1] / sum(sizes),
        doubt=1.0 - float(sure),
        known=known,
    )


def tolerated(contradicted: float, share: float, doubt: float, power: float = POWER) -> float:
    """The net loss that a retrained network may show -> a share of all decisions.

    `contradicted` is the share of samples that neighbours decide otherwise than the parent, an
    upper bound of its errors that needs no labels; `share` is that of the data that is forgotten,
    below 1. Where errors fall with a `power` of the number of samples, a network without that share
    makes (1 - share)^(-power) times as many. Half a point is allowed besides, and `UNSURE` of the
    parent's `doubt`.
    """
    more = float((1.0 - share) ** -power)
    return NEGLIGIBLE + UNSURE * doubt + contradicted * (more - 1.0)


def disputes(
    parent: Tensor, candidate: Tensor, near: Tensor, judges: Judges, *, seen: bool
) -> Disputes:
    """The changed decisions of one set of samples, as its neighbours judge them.

    Args:
        parent: its logits (n, k).
        candidate: its logits (n, k).
        near: rows (n, m) of the remaining samples that are nearest to each sample, itself excepted.
        judges: who decides.
        seen: whether both networks were trained on the samples. About others, neighbours that vote
            as the parent decides support it too often; there, all that was forgotten counts against
            each class.
    """
    known, width = judges.known, parent.shape[1]
    decided = candidate.argmax(dim=1)
    allowed = torch.stack(known.decisions(parent))
    votes = _votes(_without_emptied(judges.remaining, known)[near], width)
    found = votes.argmax(dim=1)
    changed = (allowed != decided).all(dim=0)
    theirs = _without_emptied(parent, known)
    support = votes.gather(1, decided[:, None]) - votes.gather(1, theirs[:, None])
    supported = support.squeeze(1).sign() * changed
    agreed = (allowed == found).any(dim=0)
    shares = judges.thinned[found]
    thinned = shares > THINNED
    counts = {}
    for name, rows in (("whole", ~thinned), ("thinned", thinned)):
        if not bool(rows.any()):
            continue
        share, power = float(shares[rows].mean()), POWER
        if name == "thinned" and not known.noise:
            power = POWER_OF_THINNED
        if name == "whole" and not seen:
            share = judges.share
        contradicted = 1.0 - float(agreed[rows].double().mean())
        counts[name] = Count(
            samples=int(rows.sum()),
            disputed=int(changed[rows].sum()),
            won=int((supported[rows] > 0).sum()),
            lost=int((supported[rows] < 0).sum()),
            tolerated=tolerated(contradicted, share, judges.doubt, power),
        )
    alone = float(agreed.double().mean())
    return Disputes(counts, alone, wilson(alone, len(decided))[0])


def too_few(disputed: int, samples: int) -> bool:
    """Whether so few disputes are not clearly lost even if the candidate loses all of them."""
    return not Count(samples, disputed, 0, disputed, NEGLIGIBLE).are_clearly_lost


def _without_emptied(logits: Tensor, known: Hindsight) -> Tensor:
    """The parent's decisions (n,), had it never known the classes of which nothing remains."""
    return among_others(logits, known.emptied).argmax(dim=1)


def _votes(decisions: Tensor, classes: int) -> Tensor:
    """Decisions (n, m) -> how often each class is among them, (n, k)."""
    counts = torch.zeros(len(decisions), classes, dtype=torch.int64)
    return counts.scatter_add_(1, decisions, torch.ones_like(decisions))
