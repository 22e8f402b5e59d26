"""How far a model still answers as its parent did. Labels are not needed for it."""

import torch
from torch import Tensor
from torch.nn import functional

from workers.statistics.hindsight import Hindsight


def agreement(parent: Tensor, candidate: Tensor, known: Hindsight | None = None) -> float:
    """Logits (n, k) twice -> the share of samples with the same most likely class.

    Where the parent's decision is owed to forgotten samples, the one that it would have come to
    without them is as good: see `Hindsight`.
    """
    decided = candidate.argmax(dim=1)
    allowed = [parent.argmax(dim=1)] if known is None else known.decisions(parent)
    same = torch.stack([decision == decided for decision in allowed]).any(dim=0)
    return float(same.double().mean())


def divergences(parent: Tensor, candidate: Tensor) -> Tensor:
    """Logits (n, k) twice -> KL(parent || candidate) of the softmaxes, in nats -> (n,) double."""
    apart = functional.kl_div(
        functional.log_softmax(candidate.double(), dim=1),
        functional.log_softmax(parent.double(), dim=1),
        reduction="none",
        log_target=True,
    )
    return apart.sum(dim=1).clamp(min=0.0)


def divergence(parent: Tensor, candidate: Tensor) -> float:
    """Logits (n, k) twice -> the mean of KL(parent || candidate) of the softmaxes, in nats."""
    return float(divergences(parent, candidate).mean())
