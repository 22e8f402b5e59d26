"""Membership attacks of all forgotten samples against all held-out ones, with intervals."""

from collections.abc import Callable

import torch
from torch import Tensor

from workers.evaluation.report import Interval
from workers.statistics.intervals import clopper_pearson, ends
from workers.statistics.membership import Ranked, allowed_false_positives

# Rows that are counted at once, of all draws together: a few tables of doubles, half a MiB each.
ROWS_AT_ONCE = 2**16


def attack(forgotten: Tensor, holdout: Tensor, resampled: tuple[Tensor, Tensor]) -> Interval:
    """AUC and true positive rate with percentile-bootstrap intervals, sides drawn apart.

    Scores (n,) and (h,); `resampled` are rows of them, (r, n) and (r, h). The rate's interval holds
    Clopper and Pearson's as well: of no hits, a bootstrap knows no more than that there were none.
    """
    ranked = Ranked(forgotten, holdout)
    everyone = torch.arange(len(forgotten))[None], torch.arange(len(holdout))[None]
    area = ends(_in_parts(ranked.auc, *resampled))
    if not allowed_false_positives(len(holdout)):
        return Interval(float(ranked.auc(*everyone)), *area, None, None, None)
    rate = float(ranked.tpr(*everyone))
    low, high = ends(_in_parts(ranked.tpr, *resampled))
    exact = clopper_pearson(round(rate * len(forgotten)), len(forgotten))
    return Interval(
        float(ranked.auc(*everyone)),
        *area,
        tpr_at_1_percent_fpr=rate,
        tpr_low=min(low, exact[0]),
        tpr_high=max(high, exact[1]),
    )


def _in_parts(measure: Callable[[Tensor, Tensor], Tensor], these: Tensor, those: Tensor) -> Tensor:
    """A few draws at a time, for all of them at once would take much memory."""
    at_once = max(1, ROWS_AT_ONCE // (these.shape[1] + those.shape[1]))
    parts = zip(these.split(at_once), those.split(at_once), strict=True)
    return torch.cat([measure(mine, their) for mine, their in parts])
