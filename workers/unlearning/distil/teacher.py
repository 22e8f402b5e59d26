"""What the student learns: the parent's answers to remaining data, as if only these were left."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workers.unlearning.shares import class_weights, emptied, parts_of


@dataclass(frozen=True)
class Targets:
    """For n remaining samples: decisions (n,) int64 and softmax outputs (n, k)."""

    decisions: Tensor
    soft: Tensor


def targets(remaining: Tensor, forgotten: Tensor, prior_shift: float) -> Targets:
    """Logits (n, k) and (m, k) of the parent -> what a student should learn of the n samples.

    `prior_shift` is the power of the class weights: 0 leaves the parent's answers as they are, but
    for classes of which nothing remains. These are never an answer.
    """
    soft = torch.empty_like(remaining)
    soften(remaining, forgotten, prior_shift, soft)
    return decided(soft)


def soften(remaining: Tensor, forgotten: Tensor, prior_shift: float, soft: Tensor) -> None:
    """Write the softmax targets to `soft` (n, k), which may lie on disk."""
    for part, logits in zip(parts_of(soft), parts_of(remaining), strict=True):
        part.copy_(logits.softmax(dim=1))
    outputs, sizes = forgotten.softmax(dim=1), (len(remaining), len(forgotten))
    weights = class_weights(soft, outputs, sizes) ** prior_shift
    weights[emptied(soft, outputs, sizes)] = 0.0
    for part in parts_of(soft):
        part.mul_(weights)
        part.div_(part.sum(dim=1, keepdim=True).clamp(min=1e-12))


def decided(soft: Tensor) -> Targets:
    """Softmax targets (n, k) with their decisions."""
    return Targets(torch.cat([part.argmax(dim=1) for part in parts_of(soft)]), soft)
