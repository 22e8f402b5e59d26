"""Intervals and exact tests of shares."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

# The standard normal's 97.5 % point.
Z = 1.959964
HALVINGS = 60
# Rows that are drawn at once, of all bootstrap samples together: their counts take half a MiB.
ROWS_AT_ONCE = 2**16


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share of `count` samples."""
    middle = share + Z * Z / (2 * count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def ends(draws: Tensor) -> tuple[float, float]:
    """The 2.5 % and the 97.5 % quantile of draws (r,)."""
    low, high = draws.quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return low, high


def resampled_means(values: Tensor, resamples: int, seed: int) -> Tensor:
    """Values (n, c) -> the means (r, c) of bootstrap samples, in double precision.

    A sample draws rows, with all of their columns, from a generator of its own with `seed`.
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(values)
    # How often each row is drawn, a few bootstrap samples at a time.
    at_once = max(1, ROWS_AT_ONCE // count)
    found = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        rows = torch.randint(count, (size, count), generator=generator)
        times = torch.zeros(size, count, dtype=torch.double)
        times.scatter_add_(1, rows, torch.ones(rows.shape, dtype=torch.double))
        found.append(times @ values.double() / count)
    return torch.cat(found)


def clopper_pearson(hits: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of a share: `hits` of `count` (Biometrika 26, 1934)."""
    # The upper end for the hits is the lower end for the misses.
    return _lower(hits, count), 1.0 - _lower(count - hits, count)


def hits_among(
    hits: int, drawn: Sequence[int], members: Sequence[int], others: Sequence[int]
) -> float:
    """The chance that `hits` of those drawn or more are members.

    Of each stratum so many are drawn without replacement from its members and its others: a sum
    of hypergeometric variables, whose distributions are convolved.
    """
    chances = torch.ones(1, dtype=torch.double)
    for count, mine, theirs in zip(drawn, members, others, strict=True):
        found = torch.arange(min(count, mine) + 1, dtype=torch.double)
        logs = (
            _log_choose(mine, found)
            + _log_choose(theirs, count - found)
            - _log_choose(mine + theirs, torch.tensor(count, dtype=torch.double))
        )
        chances = functional.conv1d(
            chances.view(1, 1, -1), logs.exp().flip(0).view(1, 1, -1), padding=len(found) - 1
        ).flatten()
    return min(1.0, float(chances[hits:].sum()))


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
