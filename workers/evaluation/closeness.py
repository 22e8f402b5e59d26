"""Of an encoder, the representation itself is what is used: how near is it to the parent's?"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.statistics.floors import Floors
from workers.statistics.intervals import ends, resampled_means
from workers.unlearning.base import Samples, Tap
from workers.unlearning.embedding import draw, embed
from workers.unlearning.tap import Tapped

# Samples of each set, at most, and how many at a time.
MOST = 5000
BATCH = 64
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


def measure_kept(
    parent: nn.Module,
    candidate: nn.Module,
    tap: Tap,
    *,
    remaining: Samples,
    holdout: Samples | None,
    device: torch.device,
    seed: int,
) -> Kept:
    """On at most 5,000 samples of each set, drawn with `seed`.

    Raises:
        TapError, UnlearningError: a model's answers cannot be used.
    """

    def representations(samples: Samples) -> list[Tensor]:
        chosen = draw(len(samples), MOST, torch.Generator().manual_seed(seed))
        seen = []
        for model in (parent, candidate):
            with Tapped(model.eval(), tap) as tapped:
                found = embed(tapped, samples, chosen, device, BATCH)
            seen.append(found.representations)
        return seen

    def cosine(seen: list[Tensor]) -> tuple[float, float, float]:
        before, after = (one - middle for one in seen)
        each = functional.cosine_similarity(before, after).double()
        # Where nothing but the mean is known of a sample, it is kept if the mean is.
        each[~(before.any(dim=1) | after.any(dim=1))] = 1.0
        drawn = resampled_means(each.unsqueeze(1), RESAMPLES, seed).squeeze(1)
        return float(each.mean()), *ends(drawn)

    kept = representations(remaining)
    middle = kept[0].mean(dim=0)
    unseen = None
    if holdout is not None and len(holdout):
        unseen = cosine(representations(holdout))
    return Kept(*cosine(kept), *(unseen or (None, None, None)))


def complaints(kept: Kept, min_agreement: float, forgotten: int, remaining: int) -> tuple[str, ...]:
    """A sentence for each set on which representations moved too far, by the gate's floors."""
    checks = [("remaining", kept.remaining, min_agreement)]
    if kept.holdout is not None:
        checks.append(
            ("held-out", kept.holdout, Floors(min_agreement, forgotten, remaining).on_holdout)
        )
    return tuple(
        f"The mean cosine of representations with the parent's on {name} data is {found:.4f}; "
        f"at least {floor:.4f} is wanted."
        for name, found, floor in checks
        if found < floor
    )
