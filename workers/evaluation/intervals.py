"""Intervals and exact tests of shares."""

from math import sqrt

import torch
from torch import Tensor

# The standard normal's 97.5 % point.
Z = 1.959964
HALVINGS = 60


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share of `count` samples."""
    middle = share + Z * Z / (2 * count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def clopper_pearson(hits: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of a share: `hits` of `count` (Biometrika 26, 1934)."""
    # The upper end for the hits is the lower end for the misses.
    return _lower(hits, count), 1.0 - _lower(count - hits, count)


def precedence(hits: int, members: int, allowed: int, others: int) -> float:
    """The chance that `hits` members or more lie above all but `allowed` of the others.

    Exact for `members` and `others` samples of one distribution, whatever it is: that many members
    lie there if the `hits + allowed` highest of all hold at most `allowed` others, and which of
    all are the members is a draw without replacement.
    """
    if not hits:
        return 1.0
    drawn = hits + allowed
    found = torch.arange(hits, min(drawn, members) + 1, dtype=torch.double)
    logs = (
        _log_choose(members, found)
        + _log_choose(others, drawn - found)
        - _log_choose(members + others, torch.tensor(drawn, dtype=torch.double))
    )
    return min(1.0, float(logs.exp().sum()))


def at_least(hits: int, count: int, share: float) -> float:
    """The chance of `hits` or more of `count`, each with the chance `share`: the binomial tail."""
    if not hits:
        return 1.0
    found = torch.arange(hits, count + 1, dtype=torch.double)
    chance = torch.tensor(share, dtype=torch.double)
    # xlogy is 0 for none of what cannot be.
    logs = (
        _log_choose(count, found)
        + torch.xlogy(found, chance)
        + torch.special.xlog1py(count - found, -chance)
    )
    return min(1.0, float(logs.exp().sum()))


def _lower(hits: int, count: int) -> float:
    """The share at which `hits` or more of `count` have a chance of 2.5 %, by bisection."""
    if not hits:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (low + high) / 2
        if at_least(hits, count, share) < 0.025:
            low = share
        else:
            high = share
    return low


def _log_choose(count: int, taken: Tensor) -> Tensor:
    whole = torch.tensor(count, dtype=torch.double)
    return (whole + 1).lgamma() - (taken + 1).lgamma() - (whole - taken + 1).lgamma()
