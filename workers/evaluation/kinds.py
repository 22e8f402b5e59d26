"""Forgotten samples against held-out ones of their own kind.

The kind of a sample is a guess at its class: what the network that is looked at decides it as, or
what it decides its neighbours as. Where the forgotten samples are of other classes than the
held-out ones, a comparison of all with all tells the classes apart, in a network that never saw
them as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workers.evaluation.answers import Seen

# How many times more typical of forgotten samples what the neighbours say must be to be the kind.
CLEARLY = 2.0
# Fewer held-out samples of a kind say hardly where one of its forgotten samples ranks: to a fifth
# of the scale at best. Such kinds are taken together.
FEW = 5


@dataclass(frozen=True)
class Strata:
    """By the name of each set, the stratum of each sample, (n,) int64; -1 is compared with none.

    A stratum is one kind, but for the last one if `merged` kinds are taken together there. Every
    forgotten sample has a stratum. Others have none if nothing of their kind was forgotten.
    """

    of: Mapping[str, Tensor]
    merged: int

    @cached_property
    def rows(self) -> Mapping[str, Tensor]:
        """Rows of each set that are compared."""
        return {name: (one >= 0).nonzero().flatten() for name, one in self.of.items()}

    @cached_property
    def places(self) -> Mapping[str, Tensor]:
        """Their strata."""
        return {name: one[one >= 0] for name, one in self.of.items()}

    @cached_property
    def sizes(self) -> Mapping[str, Tensor]:
        """How many are in each stratum, (s,) int64 for each set."""
        count = 1 + int(self.of["forgotten"].max())
        return {name: one.bincount(minlength=count) for name, one in self.places.items()}


def kinds(seen: Mapping[str, Seen]) -> dict[str, Tensor]:
    """The kind of each sample, (n,) int64, of each set, "forgotten" and "holdout" among them.

    It is what the sample is decided as. Where its neighbours say otherwise it may well be of their
    class: it counts as of that if that class is clearly more frequent among forgotten samples,
    over its frequency among held-out ones. Without this, few forgotten samples that a network is
    wrong about are held against many held-out ones that it is right about.
    """
    most = 1 + max(int(one.decided.max().maximum(one.around.max())) for one in seen.values())
    often = {
        name: torch.cat([seen[name].decided, seen[name].around]).bincount(minlength=most)
        for name in ("forgotten", "holdout")
    }
    typical = often["forgotten"].double() / often["holdout"].clamp(min=1)
    return {
        name: torch.where(
            typical[one.around] > CLEARLY * typical[one.decided], one.around, one.decided
        )
        for name, one in seen.items()
    }


def strata(of: Mapping[str, Tensor]) -> Strata:
    """From the kind, (n,) int64, of each sample of "forgotten", "holdout" and any other set.

    Kinds of few held-out samples are taken together, and if these are few still, with the next
    rarer ones until they are not, and at last with all that there is.
    """
    most = 1 + max(int(one.max()) for one in of.values())
    forgotten, holdout = (of[name].bincount(minlength=most) for name in ("forgotten", "holdout"))
    asked = (forgotten > 0).nonzero().flatten()
    order = asked[holdout[asked].argsort(stable=True)]
    held = holdout[order]
    # The rarest ones, as long as this one has few or all before it have few together.
    few = (held < FEW) | ((held.cumsum(0) - held < FEW) & bool(held[0] < FEW))
    numbers = torch.full((most,), -1)
    numbers[order[~few]] = torch.arange(int((~few).sum()))
    if int(held.sum()) < FEW:
        numbers[:] = 0
    elif bool(few.any()):
        numbers[order[few]] = int((~few).sum())
    return Strata({name: numbers[one] for name, one in of.items()}, int(few.sum()))


def below(scores: Tensor, places: Tensor, references: Tensor, reference_places: Tensor) -> Tensor:
    """How many references of its own stratum each sample scores above; a tie is half -> (n,).

    Scores (n,) in strata `places` (n,), against references (m,) in strata (m,).

    Raises:
        ValueError: a score is not a number.
    """
    pooled = torch.cat([scores, references]).double()
    if bool(pooled.isnan().any()):
        raise ValueError("An AUC needs scores that are numbers.")
    distinct, ranks = pooled.unique(return_inverse=True)
    # Whole numbers that are ordered by stratum, and by score within it.
    keys = torch.cat([places, reference_places]) * len(distinct) + ranks
    mine, theirs = keys[: len(scores)], keys[len(scores) :].sort().values
    first = torch.searchsorted(theirs, places * len(distinct))
    lower, upper = (torch.searchsorted(theirs, mine, right=right) for right in (False, True))
    return (lower + upper).double() / 2 - first


def pooled(ours: Tensor, theirs: Tensor, matched: Strata) -> Tensor:
    """Of forgotten samples (n,) and held-out ones (h,), those that are compared, one by one."""
    rows = matched.rows
    return torch.cat([ours[rows["forgotten"]], theirs[rows["holdout"]]])
