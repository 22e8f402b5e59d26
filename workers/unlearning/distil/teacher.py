"""What the student learns: the parent's answers to remaining data, as if only these were left."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Far more than is needed: each round costs one pass over (n, k) numbers.
ROUNDS = 50


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
    everywhere = torch.cat([remaining, forgotten]).double().mean(dim=0).clamp(min=1e-12)
    outputs = remaining.double()
    weights = torch.ones_like(everywhere)
    for _ in range(ROUNDS):
        shifted = outputs * weights
        shifted = shifted / shifted.sum(dim=1, keepdim=True)
        weights = shifted.mean(dim=0) / everywhere
    return weights.float()


def targets(remaining: Tensor, forgotten: Tensor, prior_shift: float) -> Targets:
    """Logits (n, k) and (m, k) of the parent -> what a student should learn of the n samples.

    `prior_shift` is the power of the class weights: 0 leaves the parent's answers as they are.
    """
    soft = remaining.softmax(dim=1)
    weights = class_weights(soft, forgotten.softmax(dim=1)) ** prior_shift
    soft = soft * weights
    soft = soft / soft.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return Targets(soft.argmax(dim=1), soft)
