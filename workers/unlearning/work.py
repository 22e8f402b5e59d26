"""How much a method does: samples that it reads and trains on, forecast or counted."""

from dataclasses import dataclass, field
from typing import Any

from workers.unlearning.savepoints import Saved, Savepoints

TALLY = "tally"


@dataclass(frozen=True)
class Work:
    """Samples that go through a network without gradients, and with; counted each time.

    A forecast counts with the method's defaults, and is an estimate: how many lessons or attempts
    a run takes is not known before. What does not go through the network is left out.
    """

    read: float
    trained: float


@dataclass
class Tally:
    """Counts the samples of all batches that `Compute` runs, those of other processes as well."""

    read: int = 0
    trained: int = 0

    def work(self) -> Work:
        """What was counted so far."""
        return Work(self.read, self.trained)


@dataclass(frozen=True)
class CountedSavepoints:
    """Savepoints that keep a tally as well, so that a run which goes on counts what was done."""

    saves: Savepoints
    tally: Tally = field(default_factory=Tally)

    def within(self, name: str) -> Savepoints:
        return CountedSavepoints(self.saves.within(name), self.tally)

    def due(self) -> bool:
        return self.saves.due()

    def worth(self, seconds: float) -> bool:
        return self.saves.worth(seconds)

    def save(self, name: str, saved: Saved) -> None:
        counted = {TALLY: [self.tally.read, self.tally.trained]}
        self.saves.save(name, Saved(saved.tensors, saved.facts | counted))

    def load(self, name: str) -> Saved | None:
        saved = self.saves.load(name)
        if saved is None:
            return None
        facts: dict[str, Any] = dict(saved.facts)
        read, trained = facts.pop(TALLY)
        # Savepoints are loaded in any order: the last one that was saved has counted most.
        self.tally.read = max(self.tally.read, read)
        self.tally.trained = max(self.tally.trained, trained)
        return Saved(saved.tensors, facts)
