"""Sham forget sets: what do the same figures say where nothing was forgotten?

Held-out samples in the role of forgotten ones show which figures are false alarms; remaining ones
show what an audit of samples that the network was trained on looks like.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.report import Band
from workers.statistics.membership import Ranked

DRAWS = 400
# Rows that are counted at once, of all draws together: a few tables of doubles, half a MiB each.
ROWS_AT_ONCE = 2**16
FALSE_ALARMS = 0.05

# Of these only a high value speaks of memory: the value is the lowest there can be.
ONE_SIDED = {"memory": 0.0, "contradiction": -1.0}


@dataclass(frozen=True)
class Shams:
    """Rows of held-out samples: as forgotten ones (r, n), and as held-out ones (r, h - n)."""

    members: Tensor
    others: Tensor


def draw_shams(count: int, holdout: int, generator: torch.Generator) -> Shams | None:
    """Sets of `count` held-out samples; None where fewer than as many again would be left."""
    if holdout < 2 * count:
        return None
    order = torch.rand(DRAWS, holdout, generator=generator).argsort(dim=1)
    return Shams(order[:, :count], order[:, count:])


def figures(members: Seen, others: Seen, these: Tensor, those: Tensor) -> dict[str, Tensor]:
    """All figures of each draw, (r,) each: the AUC by each score, and the excess contradicted.

    A draw is a row of rows: `these` (r, a) of the members, `those` (r, b) of the others.
    """
    found = {
        name: in_parts(Ranked(score, others.scores[name]).auc, these, those)
        for name, score in members.scores.items()
    }
    found["contradiction"] = _share(members, these) - _share(others, those)
    return found


def in_parts(measure: Callable[[Tensor, Tensor], Tensor], these: Tensor, those: Tensor) -> Tensor:
    """A few draws at a time, for all of them at once would take much memory."""
    at_once = max(1, ROWS_AT_ONCE // (these.shape[1] + those.shape[1]))
    parts = zip(these.split(at_once), those.split(at_once), strict=True)
    return torch.cat([measure(mine, their) for mine, their in parts])


def bands(found: Mapping[str, Tensor]) -> dict[str, Band]:
    """The narrowest bands that all figures of 95 % of the sham sets are in, all at once.

    Each cuts off the same number of sham sets on each side where a value speaks of memory, as
    many as can be: a min-p adjustment for many tests at once (Westfall and Young, 1993).
    """
    draws = len(next(iter(found.values())))
    best = _cut(found, 1)
    for cut in range(2, draws // 2):
        tried = _cut(found, cut)
        if float(outside(found, tried).double().mean()) > FALSE_ALARMS:
            break
        best = tried
    return best


def outside(found: Mapping[str, Tensor], allowed: Mapping[str, Band]) -> Tensor:
    """Which draws have a figure that is outside of its band -> (r,) bool."""
    return torch.stack(
        [
            (value < allowed[name].low) | (value > allowed[name].high)
            for name, value in found.items()
        ]
    ).any(dim=0)


def _cut(found: Mapping[str, Tensor], cut: int) -> dict[str, Band]:
    """From the `cut`-th smallest value to the `cut`-th largest one."""
    made = {}
    for name, values in found.items():
        order = values.sort().values
        low = ONE_SIDED.get(name, float(order[cut - 1]))
        made[name] = Band(low, float(order[len(order) - cut]))
    return made


def _share(seen: Seen, rows: Tensor) -> Tensor:
    return seen.contradicted.double()[rows].mean(dim=1)
