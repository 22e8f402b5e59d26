"""How near an encoder's representations, which are what is used of it, are to its parent's."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch.nn import functional

from workers.statistics.intervals import ends, resampled_means
from workers.unlearning.embedding import Embedded

RESAMPLES = 200


@dataclass(frozen=True)
class Kept:
    """Mean cosine of the parent's and the candidate's representations, by set; 1 is unchanged.

    Both around the mean of the parent's on remaining samples: where all of them point one way, as
    those of text encoders do, any two would have a cosine near 1. With bootstrapped 95 % intervals.
    None where there is no held-out set.
    """

    remaining: float
    remaining_low: float
    remaining_high: float
    holdout: float | None
    holdout_low: float | None
    holdout_high: float | None


def cosines(before: Mapping[str, Embedded], after: Mapping[str, Embedded], seed: int) -> Kept:
    """Mean cosines of the parent's and a candidate's representations (n, d), with intervals.

    `before` and `after` are of the same samples in the same order, by set: remaining, and holdout
    if there is one. The parent's mean on remaining samples is subtracted from all. The bootstrap's
    draws are made with `seed`.
    """
    middle = before["remaining"].representations.mean(dim=0)

    def cosine(name: str) -> tuple[float, float, float]:
        old, new = (answers[name].representations - middle for answers in (before, after))
        each = functional.cosine_similarity(old, new).double()
        # Where nothing but the mean is known of a sample, it is kept if the mean is.
        each[~(old.any(dim=1) | new.any(dim=1))] = 1.0
        drawn = resampled_means(each.unsqueeze(1), RESAMPLES, seed).squeeze(1)
        return float(each.mean()), *ends(drawn)

    unseen = cosine("holdout") if "holdout" in before else (None, None, None)
    return Kept(*cosine("remaining"), *unseen)
