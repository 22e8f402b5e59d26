"""The nearest of some samples to others, and what a network says of them."""

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
    return near(queries, references, count)[0]


def near(queries: Tensor, references: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """What `nearest` finds, (q, count) int64, and how far each is away, (q, count)."""
    count = min(count, len(references))
    rows = torch.empty(len(queries), count, dtype=torch.int64, device=queries.device)
    apart = queries.new_empty(len(queries), count)
    at_once = max(FEWEST_ROWS, min(MOST_ROWS, AT_ONCE // max(1, len(references))))
    # `torch.cdist` would copy all references for each part, twice.
    squares = torch.linalg.vector_norm(references, dim=1).square()
    parts = (one.split(at_once) for one in (queries, rows, apart))
    for some, found, distances in zip(*parts, strict=True):
        # Squared distances, but for what is the same for all references.
        best = torch.addmm(squares, some, references.T, alpha=-2).topk(count, 1, largest=False)
        found.copy_(best.indices)
        own = torch.linalg.vector_norm(some, dim=1, keepdim=True).square()
        distances.copy_((best.values + own).clamp(min=0).sqrt())
    return rows, apart


def neighbour_outputs(queries: Tensor, references: Tensor, outputs: Tensor, count: int) -> Tensor:
    """The mean of `outputs` (r, k) over each query's nearest references -> (q, k)."""
    return mean_outputs(outputs, nearest(queries, references, count))


def mean_outputs(outputs: Tensor, rows: Tensor) -> Tensor:
    """The means of `outputs` (r, k) over the rows (q, c) that belong together -> (q, k)."""
    return torch.cat([outputs[some].mean(dim=1) for some in rows.split(FEWEST_ROWS)])


def nearest_others(rows: Tensor, references: Tensor, count: int) -> Tensor:
    """Rows of the references (r, d) nearest to those at `rows` (q,), themselves left out.

    Returns (q, count) int64, or fewer columns where there are no more others; with one reference
    alone, that one.
    """
    parts = [nearest(references[some], references, count + 1) for some in rows.split(MOST_ROWS)]
    found = torch.cat(parts)
    own = found == rows.unsqueeze(1)
    last = own.to(torch.uint8).argsort(dim=1, stable=True)
    return found.gather(1, last[:, : max(1, found.shape[1] - 1)])


def other_outputs(rows: Tensor, references: Tensor, outputs: Tensor, count: int) -> Tensor:
    """The mean of `outputs` (r, k) over the nearest others of those at `rows` (q,) -> (q, k)."""
    return mean_outputs(outputs, nearest_others(rows, references, count))
