"""What every candidate is held against: what the parent says, and which samples are alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from workers.evaluation.answers import Likeness, likeness
from workers.evaluation.reading import Reader
from workers.statistics.floors import Floors
from workers.statistics.hindsight import Hindsight, hindsight
from workers.unlearning.embedding import Embedded

# With fewer samples on a side, membership is not measured: any AUC would fit.
FEWEST = 20
TOO_FEW = f"It needs {FEWEST} forgotten and {FEWEST} held-out samples."


@dataclass
class Baseline:
    """The parent as the `reader` reads it, once. Networks lie on the reader's device.

    `fixed` says that an operator has set the floors, so that no other rule may excuse a candidate.
    `fresh` has fresh weights: it says which samples are alike, having seen none. `encodes` says
    that the representation is what the networks are used for. Random draws are made with `seed`.
    """

    reader: Reader
    parent: nn.Module
    fresh: nn.Module
    floors: Floors
    fixed: bool
    encodes: bool
    seed: int

    @cached_property
    def answers(self) -> Mapping[str, Embedded]:
        """Logits and representations of each set: remaining, forgotten, and holdout if any."""
        return self.reader.read(self.parent)

    @cached_property
    def known(self) -> Hindsight:
        """What the parent's answers owe to the forgotten samples."""
        return hindsight(
            self.answers["remaining"].logits,
            self.answers["forgotten"].logits,
            (self.floors.remaining, self.floors.forgotten),
        )

    @cached_property
    def unmeasured(self) -> str | None:
        """Why forgotten samples cannot be compared with held-out ones; None if they can."""
        if "holdout" not in self.answers:
            return "There is no held-out set."
        if self.answers["forgotten"].logits.shape[1] < 2:
            return "The model has fewer than two classes."
        if min(len(self.answers["forgotten"]), len(self.answers["holdout"])) < FEWEST:
            return TOO_FEW
        return None

    @cached_property
    def like(self) -> Likeness | None:
        """Which samples are alike; None without held-out samples or with fewer than two classes."""
        if self.unmeasured not in (None, TOO_FEW):
            return None
        width = self.answers["remaining"].representations.shape[1]
        # What the fresh network sees is large, and is gone by the end of the line.
        return likeness(self.reader.view(self.fresh, width), self.answers)
