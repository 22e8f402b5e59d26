"""Do representations still hold what the answers no longer show?"""

from collections.abc import Mapping

import torch
from torch import Tensor

from workers.evaluation.answers import NEIGHBOURS, Likeness
from workers.evaluation.report import TwoSample
from workers.unlearning.embedding import Embedded
from workers.unlearning.neighbours import neighbour_outputs, standardised

PERMUTATIONS = 999
# The distances of all pairs are held at once.
MOST = 500
# Fewer pairs say nothing.
FEWEST = 10


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


def displacement(
    answers: Mapping[str, Embedded], like: Likeness, name: str, rows: Tensor
) -> Tensor:
    """How differently samples lie in a network's representations and by their looks -> (p, k).

    For `rows` (p,) of a set: the mean softmax output of the remaining samples that are nearest in
    representation space, less that of those nearest to an untrained network. No output of the
    samples themselves is in it, so a changed head does not hide what a representation remembers.
    """
    outputs = answers["remaining"].logits.double().softmax(dim=1)
    references, space = standardised(
        [answers["remaining"].representations, answers[name].representations[rows]]
    )
    inside = neighbour_outputs(space, references, outputs, NEIGHBOURS)
    return inside - outputs[like.neighbours[name][rows]].mean(dim=1)


def two_sample(first: Tensor, second: Tensor, generator: torch.Generator) -> TwoSample:
    """Whether p pairs, (p, k) twice, come from one distribution, by their energy distance.

    2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo, Journal of Statistical Planning and
    Inference 143, 2013) needs no choice of a kernel or its width. The p-value comes from swaps
    within pairs: within a pair, which of two samples that are alike was forgotten says nothing
    if none has been remembered.
    """
    count = len(first)
    together = torch.cat([first, second])
    distances = torch.cdist(together, together).double()
    signs = torch.ones(PERMUTATIONS + 1, count, dtype=torch.double)
    signs[1:] -= 2 * torch.randint(2, (PERMUTATIONS, count), generator=generator)
    sides = torch.cat([signs, -signs], dim=1)
    # With weights 1 and -1 the three terms are one quadratic form.
    found = -((sides @ distances) * sides).sum(dim=1) / count**2
    p = float((found >= found[0] * (1 - 1e-9)).double().mean())
    return TwoSample(distance=float(found[0]), p=p)
