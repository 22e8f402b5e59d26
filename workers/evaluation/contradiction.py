"""Is a model more at odds with what it says of similar samples than it is about unseen ones?

A sample that was learnt by heart is answered in a way that nothing else explains: its neighbours
among the remaining samples are answered otherwise. About held-out samples a model is at odds with
their neighbours too, because neighbours are a coarse guide; what exceeds that share is memory.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from workers.statistics.intervals import wilson

# Keeps logarithms finite where no neighbour has a class.
TINY = 1e-12


@dataclass(frozen=True)
class Contradiction:
    """Shares of samples that their neighbours contradict, and the difference with its interval."""

    forgotten: float
    holdout: float
    excess: float
    low: float
    high: float


def contradicted(outputs: Tensor, neighbours: Tensor) -> Tensor:
    """Which samples are decided otherwise than their neighbours are -> (n,) bool.

    Softmax outputs (n, k), and the mean ones of their neighbours (n, k).
    """
    return outputs.argmax(dim=1) != neighbours.argmax(dim=1)


def memory(outputs: Tensor, neighbours: Tensor) -> Tensor:
    """How much surer a model is of its decision than its neighbours make it, in nats -> (n,).

    log(p / q) of the decided class, of softmax outputs p (n, k) and their neighbours' mean q
    (n, k). It is a likelihood ratio, like that of a membership attack which is calibrated for a
    sample's difficulty (Watson et al., ICLR 2022, arXiv 2111.08440); the reference that never saw
    the sample is what the same model says of remaining samples that are like it.
    """
    sure, decided = outputs.double().max(dim=1)
    expected = neighbours.double().gather(1, decided.unsqueeze(1)).squeeze(1)
    return torch.log(sure.clamp(min=TINY) / expected.clamp(min=TINY))


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
