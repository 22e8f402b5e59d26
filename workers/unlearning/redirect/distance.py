"""How far answers are from their targets."""

from torch import Tensor

from workers.statistics.membership import auc


def clearly(wanted: Tensor, moved: Tensor, margin: float) -> float:
    """Targets and logits (t, k) -> the share with the target's decision, by the margin.

    More than half of the lead that the target has is not asked for: what is to be as sure as a
    held-out sample may be less sure than by the margin.
    """
    if not len(moved):
        return 1.0
    decided = wanted.argmax(dim=1, keepdim=True)
    enough = (lead(wanted, decided) / 2).clamp(max=margin)
    return float((lead(moved.softmax(dim=1), decided) >= enough).double().mean())


def apart(odds: Tensor, wished: Tensor, decided: Tensor) -> float:
    """How far log-odds (n,) and targets (n,) can be told apart by an AUC, as its distance from 0.5.

    Within each decision (n,), weighted by its samples, as the audit compares within kinds.
    """
    found = 0.0
    for label in decided.unique():
        mine = decided == label
        found += float(mine.double().mean()) * auc(odds[mine], wished[mine])
    return abs(found - 0.5)


def lead(outputs: Tensor, decided: Tensor) -> Tensor:
    """By how much classes (n, 1) are likelier than any other, by softmax outputs (n, k) -> (n,)."""
    others = outputs.scatter(1, decided, 0.0).max(dim=1).values
    return outputs.gather(1, decided).squeeze(1) - others
