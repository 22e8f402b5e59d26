"""Membership attacks that need no labels: can forgotten samples be told from held-out ones?"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def scores(logits: Tensor) -> Mapping[str, Tensor]:
    """Logits (n, k), k >= 2 -> attack scores, each (n,); members tend to score higher.

    confidence is the largest softmax probability, entropy is the softmax entropy with its sign
    turned, margin is the difference of the two largest logits. The margin does not saturate where
    the softmax is 1.0 in float32.

    Raises:
        ValueError: there are fewer than two classes.
    """
    if logits.shape[1] < 2:
        raise ValueError(f"Attack scores need two classes or more, not {logits.shape[1]}.")
    logits = logits.double()
    log_probabilities = functional.log_softmax(logits, dim=1)
    probabilities = log_probabilities.exp()
    best = logits.topk(2, dim=1).values
    return {
        "confidence": probabilities.max(dim=1).values,
        "entropy": (probabilities * log_probabilities).sum(dim=1),
        "margin": best[:, 0] - best[:, 1],
    }


def auc(members: Tensor, others: Tensor) -> float:
    """The chance that a random member scores higher than a random other; a tie counts one half.

    Exact, by mid-ranks (Mann-Whitney): members (n,), others (m,).

    Raises:
        ValueError: a set is empty or a score is not a number.
    """
    if not len(members) or not len(others):
        raise ValueError("An AUC needs scores on both sides.")
    everyone = torch.arange(len(members))[None], torch.arange(len(others))[None]
    return float(Ranked(members, others).auc(*everyone))


def standard_error(members: int, others: int) -> float:
    """The standard deviation of the AUC of two samples of one distribution (no ties)."""
    return float(((members + others + 1) / (12.0 * members * others)) ** 0.5)


def allowed_false_positives(others: int) -> int:
    """How many of the others may lie above a threshold at a false positive rate of 1 %."""
    return others // 100


def tpr_at_1_percent_fpr(members: Tensor, others: Tensor) -> float | None:
    """The largest share of members above a threshold that at most 1 % of the others exceed.

    None if there are too few others for one of them to be that share.
    """
    if not allowed_false_positives(len(others)):
        return None
    everyone = torch.arange(len(members))[None], torch.arange(len(others))[None]
    return float(Ranked(members, others).tpr(*everyone))


class Ranked:
    """Scores of members (n,) and others (m,), sorted once for any number of draws from them.

    A draw is a row of row numbers, with repetition or without: members (r, a), others (r, b).
    """

    def __init__(self, members: Tensor, others: Tensor) -> None:
        """Raises `ValueError` if a score is not a number."""
        pooled = torch.cat([members, others]).double()
        if bool(pooled.isnan().any()):
            raise ValueError("An AUC needs scores that are numbers.")
        distinct, places = pooled.unique(return_inverse=True)
        self._count = len(distinct)
        self._members, self._others = places.split([len(members), len(others)])

    def auc(self, members: Tensor, others: Tensor) -> Tensor:
        """The AUC of each draw -> (r,) double."""
        mine, their = self._counts(self._members[members]), self._counts(self._others[others])
        below = their.cumsum(dim=1) - their / 2.0
        return (mine * below).sum(dim=1) / (members.shape[1] * others.shape[1])

    def tpr(self, members: Tensor, others: Tensor) -> Tensor:
        """The true positive rate at 1 % false positives of each draw -> (r,) double."""
        mine, their = self._counts(self._members[members]), self._counts(self._others[others])
        at_or_above = others.shape[1] - (their.cumsum(dim=1) - their)
        found = at_or_above <= allowed_false_positives(others.shape[1])
        return (mine * found).sum(dim=1) / members.shape[1]

    def _counts(self, places: Tensor) -> Tensor:
        counts = torch.zeros(len(places), self._count, dtype=torch.double)
        return counts.scatter_add_(1, places, torch.ones(places.shape, dtype=torch.double))
