"""Is a model more at odds with what it says of similar samples than it is about unseen ones?

A sample that was learnt by heart is answered in a way that nothing else explains: its neighbours
among the remaining samples are answered otherwise. About held-out samples a model is at odds with
their neighbours too, because neighbours are a coarse guide; what exceeds that share is memory.
"""

from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from workers.unlearning.neighbours import neighbour_outputs

NEIGHBOURS = 10
# The standard normal's 97.5 % point.
Z = 1.959964


@dataclass(frozen=True)
class Contradiction:
    """Shares of samples that their neighbours contradict, and the difference with its interval."""

    forgotten: float
    holdout: float
    excess: float
    low: float
    high: float


def contradicted(outputs: Tensor, view: Tensor, references: Tensor, their: Tensor) -> Tensor:
    """Which samples are decided otherwise than their neighbours are -> (n,) bool.

    Softmax outputs (n, k) and `their` (r, k); view (n, d) and references (r, d) by a network that
    has seen no sample.
    """
    neighbours = neighbour_outputs(view, references, their, NEIGHBOURS)
    return outputs.argmax(dim=1) != neighbours.argmax(dim=1)


def contradiction(forgotten: Tensor, holdout: Tensor) -> Contradiction:
    """From which samples are contradicted, (n,) and (h,) bool.

    The 95 % interval of the difference is Newcombe's hybrid score (Statistics in Medicine 17,
    1998, method 10), which holds for few samples and for shares near 0 and 1.
    """
    n, h = len(forgotten), len(holdout)
    p, q = float(forgotten.double().mean()), float(holdout.double().mean())
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, h)
    low = p - q - sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return Contradiction(p, q, p - q, low, high)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share of `count` samples."""
    middle = share + Z * Z / (2 * count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
