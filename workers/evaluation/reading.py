"""Asking network after network about the same samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from workers.evaluation.answers import View
from workers.unlearning.base import Samples, Tap
from workers.unlearning.compute import Compute
from workers.unlearning.embedding import Ask, Embedded, answer, draw, embed
from workers.unlearning.features import features
from workers.unlearning.spaces import WithFeatures
from workers.unlearning.tap import Tapped

# So many samples of each kind are asked on the way from the parent's weights to the candidate's.
ON_THE_WAY = 500


@dataclass
class Reader:
    """The samples that are measured, by set and position, and how far the reading is.

    `done` hears the fraction of `work` that is finished: samples to be read, or as much work.
    """

    sets: Mapping[str, Samples]
    chosen: Mapping[str, Tensor]
    tap: Tap
    device: torch.device
    batch_size: int
    done: Callable[[float], None]
    work: int
    compute: Compute = field(default_factory=Compute)
    ready: int = field(default=0, init=False)

    def read(self, model: nn.Module) -> dict[str, Embedded]:
        """What `model` says of all samples, representations included."""
        with Tapped(model, self.tap) as tapped:
            return self._answers(tapped)

    def view(self, fresh: nn.Module, width: int) -> View:
        """What a network with fresh weights sees in all samples; its representation has a width."""
        _, blocks = features(self.sets["remaining"].batch(torch.arange(1)))
        with Tapped(fresh, self.tap) as tapped:
            return View(self._answers(WithFeatures(tapped)), width, blocks)

    def _answers(self, ask: Ask) -> dict[str, Embedded]:
        return {
            name: embed(
                ask,
                found,
                self.chosen[name],
                self.device,
                self.batch_size,
                self.count,
                self.compute,
            )
            for name, found in self.sets.items()
        }

    def some_logits(self, model: nn.Module, seed: int) -> Tensor:
        """What `model` says of some samples that are not forgotten, drawn with `seed` -> (n, k)."""
        generator = torch.Generator().manual_seed(seed)
        found = []
        for name in ("remaining", "holdout"):
            if name in self.sets:
                some = self.chosen[name][draw(len(self.chosen[name]), ON_THE_WAY, generator)]
                found.append(answer(model, self.sets[name], some, self.device, self.batch_size))
        return torch.cat(found)

    def count(self, size: int) -> None:
        """Note that so many samples' worth of work is done."""
        self.ready += size
        self.done(min(1.0, self.ready / self.work))
