"""How the networks of one job are run: in how many processes, in which numbers, in what memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workers.unlearning.errors import RanksError, UnlearningError
from workers.unlearning.inputs import Inputs, channels_last, to
from workers.unlearning.memory import Room
from workers.unlearning.precision import Compiled, Forward, autocast
from workers.unlearning.ranks import Ranks
from workers.unlearning.savepoints import NullSavepoints, Saved, Savepoints
from workers.unlearning.work import Tally

EMBEDDING = "embedding"
TRAINING = "training"


@dataclass(frozen=True)
class Compute:
    """What a method asks for whatever depends on the machine and not on the problem.

    precision: what forward and backward passes are computed in; float32 changes nothing. scratch: a
    directory for tables that grow with the data, for the caller to remove; without one they are
    kept in memory. compile_from: networks are compiled for so many steps or more; None is never.
    saves: where a run that is killed left off. given_up: the kind of the error for which bfloat16
    was. tally: counts the samples that are read and trained on.
    """

    ranks: Ranks = field(default_factory=Ranks)
    precision: torch.dtype = torch.float32
    scratch: Path | None = None
    compile_from: int | None = None
    compiler: Callable[[nn.Module], Any] = torch.compile
    room: Room = field(default_factory=Room)
    compiled: list[Compiled] = field(default_factory=list)
    saves: Savepoints = field(default_factory=NullSavepoints)
    given_up: str | None = None
    tally: Tally = field(default_factory=Tally)

    def exact(self) -> "Compute":
        """The same in float32, for what is measured rather than trained."""
        return replace(self, precision=torch.float32)

    def place(self, inputs: Inputs, device: torch.device) -> Inputs:
        """Inputs on the device, in the form in which it is fastest."""
        moved = to(inputs, device)
        return channels_last(moved) if device.type == "cuda" else moved

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        return autocast(device, self.precision)

    def forward(self, model: nn.Module, steps: int) -> Forward:
        """The network as it is best called, in training that takes so many steps."""
        if self.compile_from is None or steps < self.compile_from:
            return model
        made = Compiled(model, self.compiler)
        self.compiled.append(made)
        return made

    def backward(
        self,
        parameters: Sequence[nn.Parameter],
        size: int,
        part: Callable[[Tensor], Tensor],
        weights: Sequence[float] = (1.0,),
    ) -> Tensor:
        """Replace gradients by those of a batch of `size` samples -> its losses (q,), detached.

        Each process takes its share of the batch, in parts that fit into memory, so the result is
        the same in all of them, and up to rounding the same as in one process and one part.

        Args:
            parameters: what gradients are wanted of.
            size: how many samples the batch has.
            part: from the places (m,) of some samples in the batch, ascending, to their part of
                q losses (q,); a loss is the sum over the parts of any division.
            weights: of the losses in their sum, of which the gradients are.

        Raises:
            UnlearningError: one sample does not fit into memory.
        """
        factors = torch.tensor(weights, device=parameters[0].device)

        def begin() -> None:
            for parameter in parameters:
                parameter.grad = None

        def add(places: Tensor) -> Tensor:
            losses = part(places)
            torch.autograd.backward((losses * factors).sum())
            return losses.detach()

        mine = torch.arange(size)[self.ranks.share(size)]
        with self.on_its_own():
            found = self.room.all_or_again(TRAINING, mine, begin, add)
        losses = sum(found[1:], start=found[0]) if found else torch.zeros_like(factors)
        self.ranks.add_up_gradients(parameters)
        self.ranks.add_up(losses)
        self.tally.trained += size
        return losses

    def table(self, name: str, rows: int, width: int) -> Tensor:
        """Zeros (rows, width) in float32 on the CPU: on disk if there is a scratch directory.

        With several processes and a scratch directory, all of them get one and the same table.
        """
        if self.scratch is None:
            return torch.zeros(rows, width)
        path = self.scratch / f"{name}.f32"
        if self.ranks.first:
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                # A full disk is an error here, and would be a crash at some write into the map.
                os.posix_fallocate(file.fileno(), 0, max(1, rows * width * 4))
        self.ranks.wait()
        if not rows * width:
            return torch.zeros(rows, width)
        mapped = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(rows, width)))
        # Nobody may make another table of this name before all have opened this one.
        self.ranks.wait()
        return mapped

    def filled(
        self, name: str, rows: int, width: int, fill: Callable[[Tensor], float]
    ) -> tuple[Tensor, float]:
        """A `table` that `fill` has written, and the number that it found while it did.

        It is written once where all processes have the same one, and where a run that was killed
        has finished it.
        """
        kept = self.kept_table(name, rows)
        if kept is not None:
            return kept
        table = self.table(name, rows, width)
        told = torch.zeros(2, dtype=torch.float64)
        if self.scratch is None or self.ranks.first:
            told += torch.tensor([fill(table), 1.0], dtype=torch.float64)
        # Of several processes, some may have written nothing.
        self.ranks.add_up(told)
        number = float(told[0] / told[1])
        self.finish_table(name, table, number)
        return table, number

    def kept_table(self, name: str, rows: int) -> tuple[Tensor, float] | None:
        """A table that a run which was killed has finished, with its number."""
        note = self.saves.load(f"table-{name}") if self.scratch is not None else None
        if self.scratch is None or note is None:
            return None
        path, width = self.scratch / f"{name}.f32", note.facts["width"]
        if note.facts["rows"] != rows or not path.exists():
            return None
        if path.stat().st_size != max(1, rows * width * 4):
            return None
        mapped = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(rows, width)))
        return mapped, note.facts["number"]

    def finish_table(self, name: str, table: Tensor, number: float = 0.0) -> None:
        """Note that a table is full. All processes must have written their part of it."""
        if self.scratch is not None and len(table):
            rows, width = table.shape
            facts = {"rows": rows, "width": width, "number": number}
            self.saves.save(f"table-{name}", Saved(facts=facts))

    @contextmanager
    def on_its_own(self) -> Iterator[None]:
        """For work that other processes do other parts of: if it fails here, all must end.

        Raises:
            RanksError: an `UnlearningError` in one of several processes. A method that caught it
                would go on alone.
        """
        try:
            yield
        except UnlearningError as error:
            if self.ranks.size == 1:
                raise
            raise RanksError(str(error)) from error

    def settle(self) -> None:
        """Make all processes know what any of them had to do about its memory."""
        if self.ranks.size == 1:
            return
        kinds = (EMBEDDING, TRAINING)
        most = torch.tensor([self.room.found.get(kind, 2**31 - 1) for kind in kinds])
        self.ranks.smallest(most)
        for kind, value in zip(kinds, most.tolist(), strict=True):
            if value < 2**31 - 1:
                self.room.limit(kind, value)

    def facts(self) -> dict[str, Any]:
        """What a reproduction needs to know, in plain JSON.

        `batch_reduced` is there if memory was short, with the most samples at once that fitted;
        `compiled` if it was tried, with what came of it; `bfloat16` if it was given up.
        """
        facts: dict[str, Any] = {
            "processes": self.ranks.size,
            "precision": str(self.precision).removeprefix("torch."),
        }
        if self.given_up:
            facts["bfloat16"] = f"given up: {self.given_up}"
        if self.room.found:
            facts["batch_reduced"] = self.room.found
        if self.compiled:
            troubles = [one.trouble for one in self.compiled if one.trouble]
            facts["compiled"] = f"given up: {troubles[0]}" if troubles else "yes"
        return facts
