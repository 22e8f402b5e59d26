"""Single samples, not means: which forgotten ones does a model know better than unseen ones?"""

import torch
from torch import Tensor

from workers.evaluation.kinds import Strata
from workers.evaluation.report import Interval, Worst
from workers.statistics.intervals import clopper_pearson, hits_among
from workers.statistics.membership import allowed_false_positives

QUANTILES = (0, 10, 25, 50, 75, 90, 99, 100)
SHOWN = 10
FALSE_DISCOVERIES = 0.05


def worst(forgotten: Tensor, holdout: Tensor, attack: Interval, matched: Strata) -> Worst:
    """From memory scores (n,) and held-out samples' (h,), h >= 100.

    Quantiles are of all samples. What stands out is asked of those that are compared.
    """
    ours, theirs = forgotten[matched.rows["forgotten"]], holdout[matched.rows["holdout"]]
    weights = of_the_same_mix(matched)
    p = conformal(
        ours,
        theirs,
        weights[matched.places["forgotten"]],
        weights[matched.places["holdout"]],
    )
    allowed = allowed_false_positives(len(theirs))
    order = theirs.sort(descending=True)
    hits = ours > order.values[allowed]
    beyond = int(hits.sum())
    low, high = clopper_pearson(beyond, len(ours))
    return Worst(
        attack=attack,
        quantiles=_quantiles(forgotten),
        holdout_quantiles=_quantiles(holdout),
        worst=forgotten.sort(descending=True).values[:SHOWN].tolist(),
        smallest_p=float(p.min()),
        discoveries=discoveries(p, FALSE_DISCOVERIES),
        beyond=beyond,
        beyond_share=beyond / len(ours),
        beyond_low=low,
        beyond_high=high,
        beyond_p=_chance(matched, hits, order.indices[:allowed]),
    )


def _chance(matched: Strata, hits: Tensor, allowed: Tensor) -> float:
    """The chance of so many `hits` (n,) bool or more, if forgotten samples are nothing special.

    So many lie above all but `allowed` (a,) of the held-out samples if the hits + a highest of all
    hold so many of the forgotten ones. How many of the highest are of each stratum is given; which
    of a stratum are the forgotten ones is a draw. With one stratum it is the precedence test.
    """
    if not bool(hits.any()):
        return 1.0
    count = len(matched.sizes["forgotten"])
    highest = torch.cat(
        [matched.places["forgotten"][hits], matched.places["holdout"][allowed]]
    ).bincount(minlength=count)
    return hits_among(
        int(hits.sum()),
        highest.tolist(),
        matched.sizes["forgotten"].tolist(),
        matched.sizes["holdout"].tolist(),
    )


def of_the_same_mix(matched: Strata) -> Tensor:
    """Weights of the strata (s,), by which held-out samples have the mix of forgotten ones."""
    ours, theirs = (matched.sizes[name].double() for name in ("forgotten", "holdout"))
    return (ours / ours.sum()) / (theirs / theirs.sum())


def conformal(
    scores: Tensor, reference: Tensor, weights: Tensor, reference_weights: Tensor
) -> Tensor:
    """p-values (n,): the share of reference samples (h,) and itself that score as high or higher.

    Each counts by its weight, (n,) and (h,): how much more often its kind is among the samples than
    among the reference ones (Tibshirani, Barber, Candès and Ramdas, NeurIPS 2019). Of a sample that
    is like the reference ones of its kind, it is at most p with a chance of at most p. They can be
    given to Benjamini and Hochberg's procedure although they share their reference (Bates et al.,
    Annals of Statistics 51, 2023; with weights, Jin and Candès, Biometrika 2025, where the false
    discovery rate is no more than asymptotically held).
    """
    order = reference.sort()
    above = reference_weights[order.indices].flip(0).cumsum(0).flip(0)
    above = torch.cat([above, above.new_zeros(1)])
    at_least = above[torch.searchsorted(order.values, scores)]
    own = weights.clamp(min=1.0)
    return (own + at_least) / (own + reference_weights.sum())


def discoveries(p: Tensor, rate: float) -> int:
    """How many of p-values (n,) are found at this false discovery rate (Benjamini and Hochberg)."""
    steps = torch.arange(1, len(p) + 1, dtype=torch.double)
    found = (p.sort().values <= rate * steps / len(p)).nonzero()
    return int(found.max()) + 1 if len(found) else 0


def _quantiles(scores: Tensor) -> dict[str, float]:
    at = torch.tensor(QUANTILES, dtype=torch.double) / 100
    found = scores.double().quantile(at).tolist()
    return dict(zip(map(str, QUANTILES), found, strict=True))
