"""Which shares the classes have in what remains, as the parent's own answers say it: no labels."""

import math

import torch
from torch import Tensor

# Far more than is needed: each round costs one pass over (n, k) numbers.
ROUNDS = 50
NUMBERS_AT_ONCE = 2**20
# A class of which less than a twentieth remains is emptied: what is left of it are the parent's
# mistakes about other classes.
EMPTIED = 0.05


def class_weights(remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int]) -> Tensor:
    """How much rarer or commoner each class is in what remains than in all of the data -> (k,).

    Softmax outputs (n, k) and (m, k) of the samples, or of draws from sets of these two `sizes`.
    By Bayes' rule a classifier p(c | x) of data where class c has the share q(c) becomes, on data
    where it has the share r(c), p(c | x) r(c) / q(c) up to a factor. q is the mean of p over
    everything, and r is found by expectation maximisation on what remains (Saerens, Latinne and
    Decaestecker, Neural Computation 14, 2002). The weights are 1 where forgetting does not change
    the shares.
    """
    everywhere = _everywhere(remaining, forgotten, sizes).clamp(min=1e-12)
    weights = torch.ones_like(everywhere)
    for _ in range(ROUNDS):
        weights = _sum(remaining, weights) / len(remaining) / everywhere
    return weights.float()


def emptied(remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int]) -> Tensor:
    """Classes of which all but nothing remains -> (k,) bool; arguments as of `class_weights`.

    A network that had never seen the forgotten samples would not know them. Classes that the data
    never had are not among them: of them, forgetting takes nothing.
    """
    had = _everywhere(remaining, forgotten, sizes) * sum(sizes) >= 1
    # Mistakes about other classes are less sure than decisions about samples of the class. A parent
    # that is unsure of the whole class deceives the estimate of its share, and not this.
    mistakes = _sureness(remaining) < _sureness(forgotten)
    return (class_weights(remaining, forgotten, sizes) < EMPTIED) & had & mistakes


def among_others(logits: Tensor, classes: Tensor) -> Tensor:
    """Logits (n, k) without the `classes` (k,) bool: what is said if these cannot be said."""
    return logits.masked_fill(classes, -math.inf) if bool(classes.any()) else logits


def parts_of(table: Tensor) -> tuple[Tensor, ...]:
    """A table (n, k), which may lie on disk, in parts that are small in memory."""
    return torch.split(table, max(1, NUMBERS_AT_ONCE // table.shape[1]))


def _everywhere(remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int]) -> Tensor:
    """The mean output (k,) over all samples."""
    of_remaining, of_forgotten = (
        _sum(outputs) / len(outputs) * size
        for outputs, size in zip((remaining, forgotten), sizes, strict=True)
    )
    return (of_remaining + of_forgotten) / sum(sizes)


def _sum(outputs: Tensor, weights: Tensor | None = None) -> Tensor:
    """The sum (k,) over outputs (n, k), with their weights (k,) and normalised again."""
    found = torch.zeros(outputs.shape[1], dtype=torch.float64)
    for part in parts_of(outputs):
        shifted = part.to(torch.float64, copy=True)
        if weights is not None:
            shifted.mul_(weights)
            shifted.div_(shifted.sum(dim=1, keepdim=True))
        found += shifted.sum(dim=0)
    return found


def _sureness(outputs: Tensor) -> Tensor:
    """The mean of the largest output, by the class that it is of -> (k,); 0 for no sample."""
    width = outputs.shape[1]
    total, count = (torch.zeros(width, dtype=torch.float64) for _ in range(2))
    for part in parts_of(outputs):
        largest = part.max(dim=1)
        total.index_add_(0, largest.indices, largest.values.double())
        count += largest.indices.bincount(minlength=width)
    sureness: Tensor = total / count.clamp(min=1)
    return sureness
