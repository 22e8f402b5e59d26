"""What the student learns: the parent's answers to remaining data, as if only these were left."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workers.statistics.label_noise import label_noise
from workers.statistics.shares import among_others, class_weights, emptied, parts_of

TRIES = 5
# Outputs that sum up to less than this are rounding.
LEAST = 1e-12


@dataclass(frozen=True)
class Targets:
    """For n remaining samples: decisions (n,) int64 and softmax outputs (n, k)."""

    decisions: Tensor
    soft: Tensor


def targets(
    remaining: Tensor, forgotten: Tensor, prior_shift: float, flips: float = 1.0
) -> Targets:
    """Logits (n, k) and (m, k) of the parent -> what a student should learn of the n samples.

    As of `soften`.
    """
    soft = torch.empty_like(remaining)
    soften(remaining, forgotten, prior_shift, flips, soft)
    return decided(soft)


def soften(
    remaining: Tensor, forgotten: Tensor, prior_shift: float, flips: float, soft: Tensor
) -> float:
    """Write the softmax targets to `soft` (n, k), which may lie on disk -> the shift used.

    What wrong labels of forgotten samples have taught is cleared from the answers first.
    `prior_shift` is the power of the class weights: 0 leaves the parent's answers as they are, but
    for classes of which nothing remains. These are never an answer. It is halved until it changes
    the decision on no more than the share `flips` of the samples, and is 0 after four times.
    """
    for part, logits in zip(parts_of(soft), parts_of(remaining), strict=True):
        part.copy_(logits.softmax(dim=1))
    outputs, sizes = forgotten.softmax(dim=1), (len(remaining), len(forgotten))
    noise = label_noise(soft, outputs, sizes)
    for part in parts_of(soft):
        part.copy_(noise.cleared(part))
    outputs = noise.cleared(outputs)
    weights = class_weights(soft, outputs, sizes)
    gone = emptied(soft, outputs, sizes)
    shift = prior_shift
    for halving in range(TRIES + 1):
        shift = prior_shift / 2**halving if halving < TRIES else 0.0
        if not shift or _flipped(soft, weights**shift, gone) <= flips:
            break
    factors = (weights**shift).masked_fill(gone, 0.0)
    for part, logits in zip(parts_of(soft), parts_of(remaining), strict=True):
        part.mul_(factors)
        left = part.sum(dim=1, keepdim=True)
        part.div_(left.clamp(min=LEAST))
        # Where the parent is certain of a class that is gone, nothing is left of its outputs.
        nothing = left.squeeze(1) < LEAST
        part[nothing] = among_others(logits[nothing], gone).softmax(dim=1)
    return shift


def _flipped(soft: Tensor, factors: Tensor, gone: Tensor) -> float:
    """The share of outputs (n, k) that decide otherwise with `factors` (k,).

    Decisions for classes that are `gone` (k,) have to change, and do not count.
    """
    changed = 0
    for part in parts_of(soft):
        decided_before = part.argmax(dim=1)
        decided_now = (part * factors).argmax(dim=1)
        changed += int(((decided_before != decided_now) & ~gone[decided_before]).sum())
    return changed / len(soft)


def decided(soft: Tensor) -> Targets:
    """Softmax targets (n, k) with their decisions."""
    return Targets(torch.cat([part.argmax(dim=1) for part in parts_of(soft)]), soft)
