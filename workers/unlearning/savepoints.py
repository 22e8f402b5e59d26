"""Savepoints: files from which a run that was killed goes on, in another process.

Tensors lie in safetensors, everything else in JSON; nothing is unpickled. A savepoint counts once
its JSON is there under its name, and only if its tensors have the digest that this names.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workers.unlearning.ranks import Ranks

# A savepoint that takes long is taken less often: it may take a fiftieth of the time.
LEAST_TIMES_ITS_COST = 50


@dataclass(frozen=True)
class Saved:
    """Tensors by name, and what can be said in JSON."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class Savepoints(Protocol):
    def within(self, name: str) -> "Savepoints":
        """The savepoints of a part of the work, whose names are its own."""
        ...

    def due(self) -> bool:
        """Whether it is time to save where the work is."""
        ...

    def worth(self, seconds: float) -> bool:
        """Whether what took so long to make is worth keeping."""
        ...

    def save(self, name: str, saved: Saved) -> None:
        """Keep this in place of what was kept under the name before."""
        ...

    def load(self, name: str) -> Saved | None:
        """What was kept under a name, whole and unchanged; None if there is nothing of the kind."""
        ...


class NullSavepoints:
    """Nothing is kept: for work that is begun anew if it is cut short."""

    def within(self, name: str) -> Savepoints:  # noqa: ARG002
        return self

    def due(self) -> bool:
        return False

    def worth(self, seconds: float) -> bool:  # noqa: ARG002
        return False

    def save(self, name: str, saved: Saved) -> None:
        """Nothing happens."""

    def load(self, name: str) -> Saved | None:  # noqa: ARG002
        return None


class Clock:
    """When the next savepoint is due: `seconds` after the last one, or later if these cost much."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._next = time.monotonic() + seconds

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def saved(self, cost: float) -> None:
        self._next = time.monotonic() + max(self.seconds, LEAST_TIMES_ITS_COST * cost)


class DiskSavepoints:
    """Savepoints in a folder, for the caller to remove.

    Of several processes the first one writes, and all read. They save no steps: what each has seen
    of a batch, such as running statistics, is its own until a lesson ends. `ignored` hears of
    savepoints that are damaged.
    """

    def __init__(
        self, folder: Path, clock: Clock, ranks: Ranks, ignored: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._ranks = ranks
        self._ignored = ignored
        folder.mkdir(exist_ok=True)

    def within(self, name: str) -> Savepoints:
        return DiskSavepoints(self._folder / name, self._clock, self._ranks, self._ignored)

    def due(self) -> bool:
        return self._ranks.size == 1 and self._clock.due()

    def worth(self, seconds: float) -> bool:
        return seconds >= self._clock.seconds

    def save(self, name: str, saved: Saved) -> None:
        """Write, flush, rename; whoever is killed here has the savepoint before.

        Raises:
            OSError, safetensors.SafetensorError: the disk is full.
        """
        if not self._ranks.first:
            return
        started = time.monotonic()
        partial = self._folder / f"{name}.partial"
        # Tensors may share memory, which safetensors refuses.
        apart = {key: value.detach().to("cpu", copy=True) for key, value in saved.tensors.items()}
        save_file({key: value.contiguous() for key, value in apart.items()}, partial)
        digest = flushed_digest(partial)
        kept = self._folder / f"{name}-{digest[:16]}.safetensors"
        partial.rename(kept)
        partial.write_text(json.dumps({"sha256": digest, "facts": saved.facts}), encoding="utf-8")
        flushed_digest(partial)
        partial.rename(self._folder / f"{name}.json")
        for old in self._folder.glob(f"{name}-*.safetensors"):
            if old != kept:
                old.unlink()
        self._clock.saved(time.monotonic() - started)

    def load(self, name: str) -> Saved | None:
        note = self._folder / f"{name}.json"
        if not note.exists():
            return None
        try:
            told = json.loads(note.read_text(encoding="utf-8"))
            kept = self._folder / f"{name}-{told['sha256'][:16]}.safetensors"
            if flushed_digest(kept) != told["sha256"]:
                raise ValueError("its digest is another one")
            return Saved(load_file(kept), told["facts"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            self._ignored(f"The savepoint {name} is damaged: {type(error).__name__}.")
            return None


def flushed_digest(path: Path) -> str:
    """The SHA-256 of a file that is on the disk when this returns."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
