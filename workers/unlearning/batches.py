"""Endless batches of row numbers, and batches of two kinds of samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.unlearning.base import Problem
from workers.unlearning.inputs import Inputs, join


def cycle(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of `count` in shuffled batches for ever; each pass is a new order, none is short."""
    size = min(batch, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from torch.split(order[: count - count % size], size)


@dataclass(frozen=True)
class Pair:
    """A batch of remaining samples `kept` (r,) and forgotten ones `gone` (f,) behind them."""

    kept: Tensor
    gone: Tensor

    def __len__(self) -> int:
        return len(self.kept) + len(self.gone)

    def at(self, places: Tensor) -> "Pair":
        """Those at some places (m,) of the batch, ascending."""
        first = places < len(self.kept)
        return Pair(self.kept[places[first]], self.gone[places[~first] - len(self.kept)])

    def inputs(self, problem: Problem) -> Inputs:
        """Of one batch of positions: one forward pass serves both kinds."""
        sets = (problem.remaining, self.kept), (problem.forgotten, self.gone)
        return join([samples.batch(rows) for samples, rows in sets if len(rows)])
