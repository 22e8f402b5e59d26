"""Every knob of the distillation, with its default, its range and what it is for."""

import math
from dataclasses import dataclass
from typing import ClassVar

from workers.unlearning.base import ParameterError
from workers.unlearning.knobs import Knobs, knob

# Over FEW samples, the first lesson takes ENOUGH passes. Over n others, passes go as (FEW / n) to a
# power, from MOST to LEAST: a network that has seen each of a million images once has learnt
# nearly all of them, and one that has seen each of 800 images once has learnt next to nothing.
ENOUGH, FEW, POWER_OF_FEWER, POWER_OF_MORE, MOST, LEAST = 3.5, 8_000, 2 / 3, 0.3, 7.0, 1.2
# A network learns by steps as well as by samples: few samples are taken in smaller batches.
AIMED = 600
# All lessons together take up to so many times the steps of the first one.
LONGER = 5


@dataclass(frozen=True)
class DistilConfig(Knobs):
    TITLE: ClassVar[str] = "Distillation"

    passes: float = knob(
        0.0, "Samples trained on, over the number n remaining; 0 lets n decide.", 0.0, 1000
    )
    max_passes: float = knob(
        0.0, "The same of all lessons; 0 is five times that of the first.", 0.0, 10000
    )
    min_steps: int = knob(100, "The step budget is never smaller than this.", 1)
    batch: int = knob(128, "Remaining samples a step, at most.", 1, 65536)
    min_batch: int = knob(
        32, "The same at least, unless `batch` is less or fewer remain.", 1, 65536
    )
    learning_rate: float = knob(4e-3, "The one-cycle schedule's largest step of AdamW.", 1e-8, 1.0)
    base_learning_rate: float = knob(6e-3, "Given a base, the largest step tried.", 1e-8, 1.0)
    trial_share: float = knob(
        0.05, "Share of a lesson for which each step size is tried, given a base.", 0.0, 1.0
    )
    beta2: float = knob(0.98, "How much of AdamW's mean of squares a step keeps.", 0.5, 0.99999)
    weight_decay: float = knob(0.01, "Of AdamW.", 0.0, 10.0)
    clip_norm: float = knob(5.0, "Largest norm of the gradient.", 1e-6)
    hardness: float = knob(
        0.5, "Share of the parent's decision in the target; the rest is its softmax.", 0.0, 1.0
    )
    prior_shift: float = knob(
        0.5, "How far targets follow the classes' shares in what remains; 1 is wholly.", 0.0, 1.0
    )
    flips_share: float = knob(
        0.5, "Share of the allowed disagreement up to which targets may differ.", 0.0, 1.0
    )
    easy_share: float = knob(
        0.25, "How often a sample is drawn that is known well; 1 draws all alike.", 0.01, 1.0
    )
    easy_loss: float = knob(0.3, "A sample with a smaller loss is drawn less often.", 0.0, 100.0)
    check_samples: int = knob(2000, "Remaining samples on which agreement is looked at.", 1)
    agreement_reserve: float = knob(0.1, "Share of the allowed disagreement not used.", 0.0, 1.0)
    embed_batch: int = knob(
        512, "Batch size where no gradients are needed; on a CPU 64 at most.", 1, 65536
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.max_passes < self.passes:
            raise ParameterError('"max_passes" must not be smaller than "passes".')

    def passes_of(self, count: int) -> float:
        """How often the first lesson goes through `count` remaining samples."""
        power = POWER_OF_FEWER if count < FEW else POWER_OF_MORE
        return self.passes or min(MOST, max(LEAST, ENOUGH * (FEW / count) ** power))

    def batch_of(self, count: int) -> int:
        """Samples a step: as many as make `AIMED` steps of the first lesson."""
        wanted = round(self.passes_of(count) * count / AIMED)
        return min(count, self.batch, max(self.min_batch, wanted))

    def steps_of(self, count: int) -> int:
        """Steps of the first lesson."""
        return max(self.min_steps, math.ceil(self.passes_of(count) * count / self.batch_of(count)))

    def most_of(self, count: int) -> int:
        """Steps of all lessons."""
        longer = self.max_passes / self.passes_of(count) if self.max_passes else LONGER
        return math.ceil(self.steps_of(count) * max(1.0, longer))
