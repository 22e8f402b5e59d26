"""What the student learns: the parent's answers to remaining data, as if only these were left."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Far more than is needed: each round costs one pass over (n, k) numbers.
ROUNDS = 50
NUMBERS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Targets:
    """For n remaining samples: decisions (n,) int64 and softmax outputs (n, k)."""

    decisions: Tensor
    soft: Tensor


def class_weights(remaining: Tensor, forgotten: Tensor) -> Tensor:
    """How much rarer or commoner each class is in what remains than in all of the data -> (k,).

    Softmax outputs (n, k) and (m, k). By Bayes' rule a classifier p(c | x) of data in which class
    c has the share q(c) becomes, on data where it has the share r(c), p(c | x) r(c) / q(c) up to
    a factor. q is the mean of p over everything, and r is found by expectation maximisation on what
    remains (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002): no label is needed.
    The weights are 1 where forgetting does not change the shares.
    """
    count = len(remaining) + len(forgotten)
    everywhere = sum(_sums(remaining) + _sums(forgotten)) / count
    everywhere = torch.as_tensor(everywhere).clamp(min=1e-12)
    weights = torch.ones_like(everywhere)
    for _ in range(ROUNDS):
        weights = sum(_sums(remaining, weights)) / len(remaining) / everywhere
    return torch.as_tensor(weights).float()


def _sums(outputs: Tensor, weights: Tensor | None = None) -> list[Tensor]:
    """Sums (k,) over outputs (n, k) by parts, with their weights (k,) and normalised again."""
    found = []
    for part in _parts(outputs):
        shifted = part.to(torch.float64, copy=True)
        if weights is not None:
            shifted.mul_(weights)
            shifted.div_(shifted.sum(dim=1, keepdim=True))
        found.append(shifted.sum(dim=0))
    return found


def _parts(table: Tensor) -> tuple[Tensor, ...]:
    """A table (n, k), which may lie on disk, in parts that are small in memory."""
    return torch.split(table, max(1, NUMBERS_AT_ONCE // table.shape[1]))


def targets(remaining: Tensor, forgotten: Tensor, prior_shift: float) -> Targets:
    """Logits (n, k) and (m, k) of the parent -> what a student should learn of the n samples.

    `prior_shift` is the power of the class weights: 0 leaves the parent's answers as they are.
    """
    soft = torch.empty_like(remaining)
    soften(remaining, forgotten, prior_shift, soft)
    return decided(soft)


def soften(remaining: Tensor, forgotten: Tensor, prior_shift: float, soft: Tensor) -> None:
    """Write the softmax targets to `soft` (n, k), which may lie on disk."""
    for part, logits in zip(_parts(soft), _parts(remaining), strict=True):
        part.copy_(logits.softmax(dim=1))
    weights = class_weights(soft, forgotten.softmax(dim=1)) ** prior_shift
    for part in _parts(soft):
        part.mul_(weights)
        part.div_(part.sum(dim=1, keepdim=True).clamp(min=1e-12))


def decided(soft: Tensor) -> Targets:
    """Softmax targets (n, k) with their decisions."""
    return Targets(torch.cat([part.argmax(dim=1) for part in _parts(soft)]), soft)
