"""Neighbours in the view of a network that has seen no sample.

Before any training, a network tells inputs apart about as well as their raw values do, whatever
kind of input it is made for, and it has learnt nothing from a sample that is to be forgotten.
"""

import torch
from torch import Tensor

# Distances that are held at once, 2 MiB of them, and the most and the fewest queries they are of.
AT_ONCE = 2**19
MOST_ROWS, FEWEST_ROWS = 256, 64


def standardised(sets: list[Tensor]) -> list[Tensor]:
    """Each (n, d), by the mean and the deviation of the first one; constant dimensions are 0."""
    mean, deviation = sets[0].mean(dim=0), sets[0].std(dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, torch.inf)
    return [(one - mean) / deviation for one in sets]


def nearest(queries: Tensor, references: Tensor, count: int) -> Tensor:
    """Rows of the references (r, d) that are nearest to each query (q, d) -> (q, count) int64."""
    count = min(count, len(references))
    found = torch.empty(len(queries), count, dtype=torch.int64, device=queries.device)
    at_once = max(FEWEST_ROWS, min(MOST_ROWS, AT_ONCE // max(1, len(references))))
    for rows, wanted in zip(queries.split(at_once), found.split(at_once), strict=True):
        wanted.copy_(torch.cdist(rows, references).topk(count, dim=1, largest=False).indices)
    return found


def neighbour_outputs(queries: Tensor, references: Tensor, outputs: Tensor, count: int) -> Tensor:
    """The mean of `outputs` (r, k) over each query's nearest references -> (q, k)."""
    means = [
        outputs[nearest(rows, references, count)].mean(dim=1) for rows in queries.split(MOST_ROWS)
    ]
    return torch.cat(means)
