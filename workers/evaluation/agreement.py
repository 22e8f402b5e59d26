"""How far a model still answers as its parent did. Labels are not needed for it."""

from torch import Tensor
from torch.nn import functional

from workers.unlearning.shares import among_others


def agreement(parent: Tensor, candidate: Tensor, emptied: Tensor | None = None) -> float:
    """Logits (n, k) twice -> the share of samples with the same most likely class.

    Where the parent decides for one of the `emptied` classes (k,) bool, of which nothing remains,
    its next decision is as good: who never saw the class would not know it.
    """
    decided = candidate.argmax(dim=1)
    same = parent.argmax(dim=1) == decided
    if emptied is not None:
        same |= among_others(parent, emptied).argmax(dim=1) == decided
    return float(same.double().mean())


def divergence(parent: Tensor, candidate: Tensor) -> float:
    """Logits (n, k) twice -> the mean of KL(parent || candidate) of the softmaxes, in nats."""
    mean = functional.kl_div(
        functional.log_softmax(candidate.double(), dim=1),
        functional.log_softmax(parent.double(), dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return max(0.0, float(mean))


def holdout_floor(min_agreement: float, forgotten: int, remaining: int) -> float:
    """The smallest agreement on held-out samples that counts as utility kept.

    Forgetting may rightly change held-out predictions: a model that was retrained without a share
    of its data differs from its parent on held-out data, most of all where that share was wrong.
    So the floor for the remaining data is lowered by the share that was forgotten.
    """
    return max(0.0, min_agreement - forgotten / (forgotten + remaining))
