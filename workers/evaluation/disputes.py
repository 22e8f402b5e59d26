"""Where a candidate and its parent decide differently: whom do similar remaining samples support?

Agreement counts every changed decision as a loss. But a network that was retrained without wrong
labels changes decisions for the better, and any retrained network changes those that hang by a
hair. So each changed decision is a dispute, and the remaining samples that are nearest, in the
space that `likeness` has chosen, are its judges: they vote by what the parent decides about them.
No training of either network has had a part in that space.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from workers.statistics.hindsight import Hindsight
from workers.statistics.intervals import at_least, wilson
from workers.statistics.shares import among_others

# The level of the sign test, for a candidate that changes more decisions than the floors allow.
CHANCE = 0.05
# One-sided 95 % point of the standard normal.
ONE_SIDED = 1.645
# A net loss up to this share of all decisions is negligible: half a point.
NEGLIGIBLE = 0.005


@dataclass(frozen=True)
class Disputes:
    """Changed decisions of one set.

    samples: that both networks have decided about. disputed: those that they decide differently,
    hindsight considered. won, lost: disputes in which neighbours support the candidate, and the
    parent; they are divided about the others. neighbours_agreement: the share of the samples on
    which neighbours alone decide as the parent does, `neighbours_low` the lower end of its 95 %
    interval. tolerated: the share of all decisions that a retrained network may lose, net.
    """

    samples: int
    disputed: int
    won: int
    lost: int
    neighbours_agreement: float
    neighbours_low: float
    tolerated: float

    @property
    def agreement(self) -> float:
        """The share of samples that are not disputed."""
        return 1.0 - self.disputed / self.samples

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


def tolerated(contradicted: float, share: float) -> float:
    """The net loss that a retrained network may show -> a share of all decisions.

    `contradicted` is the share of samples that neighbours decide otherwise than the parent, an
    upper bound of its errors that needs no labels; `share` is that of the data that is forgotten.
    Where errors fall with the square root of the number of samples (Hestness et al., arXiv
    1712.00409, report powers from 0.07 to 0.5), a network without that share makes
    (1 - share)^(-1/2) times as many. Half a point is allowed besides.
    """
    return NEGLIGIBLE + contradicted * (1.0 / sqrt(1.0 - share) - 1.0)


def disputes(
    parent: Tensor,
    candidate: Tensor,
    remaining: Tensor,
    near: Tensor,
    known: Hindsight,
    share: float,
) -> Disputes:
    """The changed decisions of one set of samples, as its neighbours judge them.

    Args:
        parent: its logits (n, k).
        candidate: its logits (n, k).
        remaining: the parent's logits (r, k) of remaining samples.
        near: rows (n, m) of the remaining samples that are nearest to each sample, itself excepted.
        known: what of the parent's answers is owed to forgotten samples.
        share: of all samples that are forgotten (0 to 1).
    """
    decided, width = candidate.argmax(dim=1), parent.shape[1]
    allowed = torch.stack(known.decisions(parent))
    votes = _votes(_without_emptied(remaining, known)[near], width)
    rows = (allowed != decided).all(dim=0).nonzero().flatten()
    theirs = _without_emptied(parent[rows], known)
    support = votes[rows].gather(1, decided[rows, None]) - votes[rows].gather(1, theirs[:, None])
    alone = float((allowed == votes.argmax(dim=1)).any(dim=0).double().mean())
    return Disputes(
        samples=len(decided),
        disputed=len(rows),
        won=int((support > 0).sum()),
        lost=int((support < 0).sum()),
        neighbours_agreement=alone,
        neighbours_low=wilson(alone, len(decided))[0],
        tolerated=tolerated(1.0 - alone, share),
    )


def too_few(disputed: int, samples: int) -> bool:
    """Whether so few disputes are not clearly lost even if the candidate loses all of them."""
    return not Disputes(samples, disputed, 0, disputed, 1.0, 1.0, NEGLIGIBLE).are_clearly_lost


def _without_emptied(logits: Tensor, known: Hindsight) -> Tensor:
    """The parent's decisions (n,), had it never known the classes of which nothing remains."""
    return among_others(logits, known.emptied).argmax(dim=1)


def _votes(decisions: Tensor, classes: int) -> Tensor:
    """Decisions (n, m) -> how often each class is among them, (n, k)."""
    counts = torch.zeros(len(decisions), classes, dtype=torch.int64)
    return counts.scatter_add_(1, decisions, torch.ones_like(decisions))
