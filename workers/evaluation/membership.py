"""Membership attacks that need no labels: can forgotten samples be told from held-out ones?"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Interval:
    """An AUC with its bootstrap interval, and the true positive rate at 1 % false positives."""

    auc: float
    low: float
    high: float
    tpr_at_1_percent_fpr: float | None


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
    pooled = torch.cat([members, others]).double()
    if not len(members) or not len(others) or bool(pooled.isnan().any()):
        raise ValueError("An AUC needs scores on both sides, all of them numbers.")
    return float(_auc(pooled, len(members)))


def standard_error(members: int, others: int) -> float:
    """The standard deviation of the AUC of two samples of one distribution (no ties)."""
    return float(((members + others + 1) / (12.0 * members * others)) ** 0.5)


def tpr_at_fpr(members: Tensor, others: Tensor, fpr: float = 0.01) -> float | None:
    """The largest share of members above a threshold that at most `fpr` of the others exceed.

    None if there are too few others for one of them to be that share.
    """
    allowed = int(fpr * len(others))
    if not allowed:
        return None
    threshold = others.sort(descending=True).values[allowed]
    return float((members > threshold).double().mean())


def attack(members: Tensor, others: Tensor, *, seed: int, resamples: int) -> Interval:
    """The AUC with a 95 % percentile-bootstrap interval, members and others drawn separately."""
    generator = torch.Generator().manual_seed(seed)
    point = auc(members, others)
    pooled = torch.cat([members, others]).double()
    n, m = len(members), len(others)
    draws = []
    for _ in range(resamples):
        chosen = torch.cat(
            [
                torch.randint(n, (n,), generator=generator),
                torch.randint(m, (m,), generator=generator) + n,
            ]
        )
        draws.append(_auc(pooled[chosen], n))
    low, high = torch.stack(draws).quantile(torch.tensor([0.025, 0.975], dtype=torch.double))
    return Interval(point, float(low), float(high), tpr_at_fpr(members, others))


def _auc(pooled: Tensor, members: int) -> Tensor:
    order = pooled.sort().values
    below = torch.searchsorted(order, pooled[:members])
    up_to = torch.searchsorted(order, pooled[:members], right=True)
    # Equal scores share the middle of the ranks that they take up together.
    ranks = (below + up_to + 1).double() / 2.0
    others = len(pooled) - members
    return (ranks.sum() - members * (members + 1) / 2.0) / (members * others)
