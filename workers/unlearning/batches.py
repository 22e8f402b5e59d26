"""Endless batches of row numbers, and batches of two kinds of samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.unlearning.base import Problem
from workers.unlearning.inputs import Inputs, join


class Cycle(Iterator[Tensor]):
    """Rows of `count` in shuffled batches for ever; each pass is a new order, none is short.

    `left` are the rows of the pass that have not been given yet: with the state of the generator
    it says what comes.
    """

    def __init__(self, count: int, batch: int, generator: torch.Generator) -> None:
        self._count = count
        self._size = min(batch, count)
        self._generator = generator
        self.left = torch.empty(0, dtype=torch.int64)

    def __next__(self) -> Tensor:
        if not len(self.left):
            order = torch.randperm(self._count, generator=self._generator)
            self.left = order[: self._count - self._count % self._size]
        rows, self.left = self.left[: self._size], self.left[self._size :]
        return rows


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
