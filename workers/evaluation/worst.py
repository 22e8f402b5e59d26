"""Single samples, not means: which forgotten ones does a model know better than unseen ones?"""

import torch
from torch import Tensor

from workers.evaluation.report import Interval, Worst
from workers.statistics.intervals import clopper_pearson, precedence
from workers.statistics.membership import allowed_false_positives

QUANTILES = (0, 10, 25, 50, 75, 90, 99, 100)
SHOWN = 10
FALSE_DISCOVERIES = 0.05


def worst(forgotten: Tensor, holdout: Tensor, attack: Interval) -> Worst:
    """From memory scores (n,) and held-out samples' (h,), h >= 100."""
    p = conformal(forgotten, holdout)
    allowed = allowed_false_positives(len(holdout))
    threshold = holdout.sort(descending=True).values[allowed]
    beyond = int((forgotten > threshold).sum())
    low, high = clopper_pearson(beyond, len(forgotten))
    return Worst(
        attack=attack,
        quantiles=_quantiles(forgotten),
        holdout_quantiles=_quantiles(holdout),
        worst=forgotten.sort(descending=True).values[:SHOWN].tolist(),
        smallest_p=float(p.min()),
        discoveries=discoveries(p, FALSE_DISCOVERIES),
        beyond=beyond,
        beyond_share=beyond / len(forgotten),
        beyond_low=low,
        beyond_high=high,
        beyond_p=precedence(beyond, len(forgotten), allowed, len(holdout)),
    )


def conformal(scores: Tensor, reference: Tensor) -> Tensor:
    """p-values (n,): the share of reference samples (h,) and itself that score as high or higher.

    Of a sample that is like the reference ones, it is at most p with a chance of at most p. They
    can be given to Benjamini and Hochberg's procedure although they share their reference (Bates
    et al., Annals of Statistics 51, 2023).
    """
    order = reference.sort().values
    at_least = len(order) - torch.searchsorted(order, scores)
    return (1 + at_least).double() / (1 + len(order))


def discoveries(p: Tensor, rate: float) -> int:
    """How many of p-values (n,) are found at this false discovery rate (Benjamini and Hochberg)."""
    steps = torch.arange(1, len(p) + 1, dtype=torch.double)
    found = (p.sort().values <= rate * steps / len(p)).nonzero()
    return int(found.max()) + 1 if len(found) else 0


def _quantiles(scores: Tensor) -> dict[str, float]:
    at = torch.tensor(QUANTILES, dtype=torch.double) / 100
    found = scores.double().quantile(at).tolist()
    return dict(zip(map(str, QUANTILES), found, strict=True))
