"""Do representations still hold what the answers no longer show?"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workers.evaluation.answers import Likeness
from workers.evaluation.report import TwoSample
from workers.statistics.neighbours import mean_outputs, standardised
from workers.unlearning.embedding import Embedded

PERMUTATIONS = 999
SWAPS_AT_ONCE = 100
# The distances of all pairs are held at once.
MOST = 500
# Fewer pairs say nothing.
FEWEST = 10
# Remaining samples that the probe is fitted to, at most, and its penalty.
FITTED = 2000
RIDGE = 0.1


def pairs(alike: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of a forgotten and a held-out sample that are alike -> rows (p,) of each.

    `alike` (n,) is the nearest held-out sample of each forgotten one, `apart` (n,) its distance.
    A held-out sample is used once: for the forgotten one that is nearest to it.
    """
    order = apart.argsort(stable=True)
    taken: dict[int, int] = {}
    for row in order.tolist():
        taken.setdefault(int(alike[row]), row)
    forgotten = torch.tensor(list(taken.values()), dtype=torch.int64)[:MOST]
    return forgotten, alike[forgotten]


def sham_pairs(unseen: tuple[Tensor, Tensor], members: Tensor) -> tuple[Tensor, Tensor]:
    """`pairs` of one sham set: rows of held-out samples in the role of forgotten ones, and as such.

    unseen: rows of the held-out samples nearest to each held-out one, and their distances, (h, m)
    both. members: the sham set (n,); whom none of the m others is left for has no pair.
    """
    rows, apart = (one[members] for one in unseen)
    playing = torch.zeros(len(unseen[0]), dtype=torch.bool)
    playing[members] = True
    free = ~playing[rows]
    paired = free.any(dim=1)
    first = free.to(torch.uint8).argmax(dim=1, keepdim=True)
    alike, gaps = (one.gather(1, first).squeeze(1)[paired] for one in (rows, apart))
    chosen, others = pairs(alike, gaps)
    return members[paired][chosen], others


def displacement(
    answers: Mapping[str, Embedded], like: Likeness, name: str, rows: Tensor, fitted: Tensor
) -> Tensor:
    """How far samples lie from where their looks put them, in representation space -> (p, 1).

    For `rows` (p,) of a set: the norm of what a linear probe of their representations says, less
    the mean softmax output of their neighbours. The probe is fitted to the network's outputs on
    the remaining samples `fitted` (f,) (ridge regression on representations and their positive
    parts). No output of the samples themselves is in it, so a changed head does not hide what a
    representation holds.
    """
    outputs = answers["remaining"].logits.double().softmax(dim=1)
    references, space = (
        torch.cat([one, one.relu()], dim=1).double()
        for one in standardised(
            [
                answers["remaining"].representations[fitted],
                answers[name].representations[rows],
            ]
        )
    )
    centre, mean = references.mean(dim=0), outputs[fitted].mean(dim=0)
    references, space = references - centre, space - centre
    said = space @ _ridge(references, outputs[fitted] - mean) + mean
    usual = mean_outputs(outputs, like.neighbours[name][rows])
    distance: Tensor = torch.linalg.vector_norm(said - usual, dim=1, keepdim=True)
    return distance


def _ridge(inputs: Tensor, wanted: Tensor) -> Tensor:
    """Centred inputs (n, w) and wanted (n, k) -> the weights (w, k) of ridge regression.

    By the primal or the dual form, whichever solves the smaller system.
    """
    count, width = inputs.shape
    small = inputs.T @ inputs if width <= count else inputs @ inputs.T
    small.diagonal().add_(RIDGE * count)
    if width <= count:
        weights: Tensor = torch.linalg.solve(small, inputs.T @ wanted)
    else:
        weights = inputs.T @ torch.linalg.solve(small, wanted)
    return weights


def energy(first: Tensor, second: Tensor) -> float:
    """The energy distance of numbers (p,) and (q,).

    2 E|x - y| - E|x - x'| - E|y - y'|, which of numbers is twice the squared distance of their
    distribution functions (Szekely and Rizzo, 2013).
    """
    order = torch.cat([first, second]).sort()
    steps = torch.cat(
        [torch.full_like(first, 1 / len(first)), torch.full_like(second, -1 / len(second))]
    )[order.indices].cumsum(0)
    return float(2 * (steps[:-1].square() * order.values.diff()).sum())


def against_shams(
    first: Tensor, second: Tensor, shams: Sequence[tuple[Tensor, Tensor]], unseen: Tensor
) -> TwoSample:
    """Whether displacements (p,) twice differ by more than those of sham pairs do.

    shams: `sham_pairs` of each sham set. unseen: displacements (h,) of all held-out samples. Who is
    nearest to somebody lies more often where samples are dense, and there a network errs less: the
    sides of a pair are not alike, and neither are those of a sham pair. All of these come with the
    pairs that are most alike first. A sham set has fewer pairs, and a distance of fewer is larger
    by chance: it is held against that of as many.
    """
    counts = [min(len(first), len(members)) for members, _ in shams]
    found = {count: energy(first[:count], second[:count]) for count in set(counts) if count}
    beyond = sum(
        not count or energy(unseen[members[:count]], unseen[others[:count]]) >= found[count]
        for count, (members, others) in zip(counts, shams, strict=True)
    )
    return TwoSample(distance=energy(first, second), p=(1 + beyond) / (1 + len(shams)))


def two_sample(first: Tensor, second: Tensor, generator: torch.Generator) -> TwoSample:
    """Whether p pairs, (p, k) twice, come from one distribution, by their energy distance.

    2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo, Journal of Statistical Planning and
    Inference 143, 2013) needs no choice of a kernel or its width. The p-value comes from swaps
    within pairs: within a pair, which of two samples that are alike was forgotten says little
    if none has been remembered. How little is asked by `against_shams`.
    """
    count = len(first)
    across = torch.cdist(first, second).double()
    form = torch.cdist(first, first).double() + torch.cdist(second, second).double()
    form -= across + across.T
    swapped = torch.zeros(PERMUTATIONS + 1, count, dtype=torch.bool)
    swapped[1:] = torch.randint(2, (PERMUTATIONS, count), generator=generator, dtype=torch.uint8)
    # A swap changes the sign of a pair, and the three terms are one quadratic form in the signs.
    found = torch.cat([_form(form, 1 - 2 * some.double()) for some in swapped.split(SWAPS_AT_ONCE)])
    found = -found / count**2
    p = float((found >= found[0] * (1 - 1e-9)).double().mean())
    return TwoSample(distance=float(found[0]), p=p)


def _form(form: Tensor, signs: Tensor) -> Tensor:
    """The quadratic form (n, n) of each row of signs (r, n) -> (r,)."""
    return ((signs @ form) * signs).sum(dim=1)
