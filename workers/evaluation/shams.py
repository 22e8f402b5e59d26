"""Sham forget sets: what do the same figures say where nothing was forgotten?

In each kind, it is drawn anew which of the forgotten and the held-out samples count as forgotten.
If forgotten samples are nothing special, reality is one such draw. Sets of remaining samples show
what an audit of samples that the network was trained on looks like.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.kinds import Strata, below, pooled
from workers.evaluation.report import Band

DRAWS = 400
# Draws that are made or counted at once: of 10,000 samples, a table of them takes 5 MiB.
AT_ONCE = 64
FALSE_ALARMS = 0.05
# Of figures: what differs by less is the same figure, rounded otherwise.
DECIMALS = 12

# Of these only a high value speaks of memory: the value is the lowest there can be.
ONE_SIDED = {"memory": 0.0, "contradiction": -1.0}


def draw_shams(matched: Strata, generator: torch.Generator) -> Tensor:
    """Which samples count as forgotten: (1 + DRAWS, n + h) bool, in reality and in each draw.

    Of n forgotten and h held-out samples that are compared; of each stratum as many as in reality.
    """
    ours, theirs = matched.places["forgotten"], matched.places["holdout"]
    places = torch.cat([ours, theirs])
    roles = torch.zeros(1 + DRAWS, len(places), dtype=torch.bool)
    roles[0, : len(ours)] = True
    for number, count in enumerate(matched.sizes["forgotten"].tolist()):
        rows = (places == number).nonzero().flatten()
        for some in roles[1:].split(AT_ONCE):
            keys = torch.rand(len(some), len(rows), generator=generator)
            chosen = keys.topk(count, dim=1, sorted=False).indices
            some.scatter_(1, rows[chosen], value=True)
    return roles


def figures(ours: Seen, theirs: Seen, matched: Strata, roles: Tensor) -> dict[str, Tensor]:
    """All figures of each row of `roles` (r, n + h), within kinds -> (r,) each.

    The AUC by each score, and the excess contradicted: means of each stratum's over the forgotten
    samples. Each is a sum over those that count as forgotten of what they add to it: to an AUC
    their rank, after Mann and Whitney.
    """
    places = pooled(matched.of["forgotten"], matched.of["holdout"], matched)
    n, h = (matched.sizes[name].double()[places] for name in ("forgotten", "holdout"))
    adds = {
        name: (below(both, places, both, places) - n / 2) / h
        for name, both in (
            (name, pooled(score, theirs.scores[name], matched))
            for name, score in ours.scores.items()
        )
    }
    shown = pooled(ours.contradicted, theirs.contradicted, matched).double()
    of_all = torch.zeros(len(matched.sizes["forgotten"]), dtype=torch.double)
    of_all.scatter_add_(0, places, shown)
    adds["contradiction"] = shown * (1 + n / h) - of_all[places] / h
    table = torch.stack(list(adds.values()), dim=1) / len(matched.rows["forgotten"])
    sums = torch.cat([some.double() @ table for some in roles.split(AT_ONCE)])
    return dict(zip(adds, sums.round(decimals=DECIMALS).unbind(dim=1), strict=True))


def known_figures(
    known: Seen, theirs: Seen, matched: Strata, generator: torch.Generator
) -> dict[str, Tensor] | None:
    """All figures of DRAWS sets of remaining samples in the place of the forgotten ones.

    Of each stratum as many, drawn with repetition; None where there are none of a stratum.
    """
    if not bool(matched.sizes["remaining"].all()):
        return None
    places, rows = matched.places["remaining"], matched.rows["remaining"]
    unseen, others = matched.rows["holdout"], matched.places["holdout"]
    held = matched.sizes["holdout"].double()
    adds = {
        name: below(score[rows], places, theirs.scores[name][unseen], others) / held[places]
        for name, score in known.scores.items()
    }
    shares = torch.zeros(len(held), dtype=torch.double)
    shares.scatter_add_(0, others, theirs.contradicted[unseen].double())
    adds["contradiction"] = known.contradicted[rows].double() - (shares / held)[places]
    totals = torch.zeros(DRAWS, len(adds), dtype=torch.double)
    table = torch.stack(list(adds.values()), dim=1)
    for number, count in enumerate(matched.sizes["forgotten"].tolist()):
        mine = table[places == number]
        for some in totals.split(AT_ONCE):
            drawn = torch.randint(len(mine), (len(some), count), generator=generator)
            some += mine[drawn].sum(dim=1)
    totals /= len(matched.rows["forgotten"])
    return dict(zip(adds, totals.round(decimals=DECIMALS).unbind(dim=1), strict=True))


def bands(found: Mapping[str, Tensor]) -> dict[str, Band]:
    """The narrowest bands that all figures of 95 % of the sham sets are in, all at once.

    Each cuts off the same number of sham sets on each side where a value speaks of memory, as
    many as can be: a min-p adjustment for many tests at once (Westfall and Young, 1993). With
    reality among them, it is outside in one of twenty audits at most if it is a draw like others.
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


def draw_unseen(matched: Strata, seed: int) -> Tensor:
    """Rows of held-out samples that play forgotten ones, against all others -> (DRAWS, m) int64.

    Of each stratum as many as were forgotten, or half of its held-out samples if these are fewer.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for number, (n, h) in enumerate(
        zip(*(matched.sizes[name].tolist() for name in ("forgotten", "holdout")), strict=True)
    ):
        count = min(n, h // 2)
        rows = (matched.of["holdout"] == number).nonzero().flatten()
        order = torch.rand(DRAWS, h, generator=generator).argsort(dim=1)
        parts.append(rows[order[:, :count]])
    return torch.cat(parts, dim=1)


def _cut(found: Mapping[str, Tensor], cut: int) -> dict[str, Band]:
    """From the `cut`-th smallest value to the `cut`-th largest one."""
    made = {}
    for name, values in found.items():
        order = values.sort().values
        low = ONE_SIDED.get(name, float(order[cut - 1]))
        made[name] = Band(low, float(order[len(order) - cut]))
    return made
