"""Reading a network's answers to a set of samples, once, batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.unlearning.base import Samples, UnlearningError
from workers.unlearning.compute import EMBEDDING, Compute
from workers.unlearning.inputs import Inputs

# Where a processor's cache holds what the layers make of a batch, reading is faster than it is in
# large batches.
AT_ONCE_ON_CPU = 64


# Inputs of b samples -> representation (b, d) and logits (b, k), as `Tapped` answers.
Ask = Callable[[Inputs], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Embedded:
    """What a network says about n samples, in float32 on the CPU.

    Shapes: positions (n,) int64, representations (n, d), logits (n, k).
    """

    positions: Tensor
    representations: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: Tensor) -> "Embedded":
        """The part at `rows` (m,) int64, in that order."""
        return Embedded(self.positions[rows], self.representations[rows], self.logits[rows])


def embed(
    tapped: Ask,
    samples: Samples,
    positions: Tensor,
    device: torch.device,
    batch_size: int,
    done: Callable[[int], None] = lambda _count: None,
    compute: Compute | None = None,
) -> Embedded:
    """Run `samples` at `positions` (n,) int64 through the network, without gradients.

    The network is used in the mode it is in. `done` hears the size of every finished batch. With
    several processes each reads a part, and all get everything. A batch that does not fit into
    memory is halved, and on a CPU read in pieces.

    Raises:
        UnlearningError: an answer is not finite, or one sample does not fit.
    """
    reading = _Reading(samples, device, compute or Compute(), tapped)
    representations, logits = reading.read(positions, batch_size, done, None)
    return Embedded(positions, representations, logits)


def answer(
    model: nn.Module,
    samples: Samples,
    positions: Tensor,
    device: torch.device,
    batch_size: int,
    done: Callable[[int], None] = lambda _count: None,
    compute: Compute | None = None,
    table: str | None = None,
) -> Tensor:
    """The logits (n, k) alone, in float32 on the CPU: `embed` for where that is enough.

    With the name of a `table`, they lie where `Compute.table` keeps tables that grow with the data.

    Raises:
        UnlearningError: an answer is not finite, or one sample does not fit.
    """
    compute = compute or Compute()
    kept = compute.kept_table(table, len(positions)) if table else None
    if kept is not None:
        done(len(positions))
        return kept[0]
    reading = _Reading(samples, device, compute, lambda inputs: (model(inputs),))
    (logits,) = reading.read(positions, batch_size, done, table)
    if table:
        compute.finish_table(table, logits)
    return logits


@dataclass(frozen=True)
class _Reading:
    """One pass: `ask` answers a batch with tensors (b, ...), of which each gets a table."""

    samples: Samples
    device: torch.device
    compute: Compute
    ask: Callable[[Inputs], tuple[Tensor, ...]]

    def read(
        self, positions: Tensor, batch_size: int, done: Callable[[int], None], name: str | None
    ) -> list[Tensor]:
        ranks = self.compute.ranks
        self.compute.tally.read += len(positions)
        chunks = torch.split(positions, batch_size)
        mine = ranks.share(len(chunks))
        tables: list[Tensor] = []
        at, finite = mine.start * batch_size, True
        with torch.no_grad():
            for number, chunk in enumerate(chunks[mine]):
                with self.compute.on_its_own():
                    parts = [
                        part
                        for piece in self._pieces(chunk)
                        for part in self.compute.room.each(EMBEDDING, piece, self._answer)
                    ]
                for answers in parts:
                    tables = tables or self._tables(answers, len(positions), name)
                    for table, rows in zip(tables, answers, strict=True):
                        table[at : at + len(rows)] = rows
                        finite = finite and bool(rows.isfinite().all())
                    at += len(answers[0])
                # What the others do meanwhile is not heard, and is about as much.
                ahead = number * batch_size * ranks.size
                done(max(0, min(len(chunk) * ranks.size, len(positions) - ahead)))
            tables = tables or self._tables(self._answer(positions[:1]), len(positions), name)
        ends = [
            min(len(positions), ranks.part(len(chunks), rank).stop * batch_size)
            for rank in range(ranks.size)
        ]
        self._put_together(tables, ends, shared=name is not None)
        self._refuse_what_is_not_finite(finite)
        return tables

    def _pieces(self, chunk: Tensor) -> tuple[Tensor, ...]:
        return torch.split(chunk, AT_ONCE_ON_CPU) if self.device.type == "cpu" else (chunk,)

    def _answer(self, chunk: Tensor) -> tuple[Tensor, ...]:
        inputs = self.compute.place(self.samples.batch(chunk), self.device)
        with self.compute.autocast(self.device):
            answers = self.ask(inputs)
        return tuple(answer.float().cpu() for answer in answers)

    def _tables(self, like: tuple[Tensor, ...], rows: int, name: str | None) -> list[Tensor]:
        if name is None:
            return [torch.zeros(rows, *answer.shape[1:]) for answer in like]
        return [self.compute.table(name, rows, answer.shape[1]) for answer in like]

    def _put_together(self, tables: list[Tensor], ends: list[int], *, shared: bool) -> None:
        if shared and self.compute.scratch is not None:
            # One table on disk, that all have written to.
            self.compute.ranks.wait()
            return
        for table in tables:
            self.compute.ranks.gather(table, ends)

    def _refuse_what_is_not_finite(self, finite: bool) -> None:
        offenders = torch.tensor(float(not finite))
        self.compute.ranks.add_up(offenders)
        if offenders:
            raise UnlearningError(
                "The model's answers are not finite numbers: nothing can be unlearned."
            )


def draw(count: int, at_most: int, generator: torch.Generator) -> Tensor:
    """Positions 0 to `count` - 1, or a sorted random draw of `at_most` of them -> (n,) int64."""
    if count <= at_most:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:at_most].sort().values
