"""Endless batches of row numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor


def cycle(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of `count` in shuffled batches for ever; each pass is a new order, none is short."""
    size = min(batch, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from torch.split(order[: count - count % size], size)
