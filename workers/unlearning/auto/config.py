"""The knobs of the choice. Those of a method are set by naming the method instead."""

from dataclasses import dataclass
from typing import ClassVar

from workers.unlearning.knobs import Knobs, knob


@dataclass(frozen=True)
class AutoConfig(Knobs):
    TITLE: ClassVar[str] = "The method auto"

    few: int = knob(256, "Up to so many forgotten samples are few, if they are no large share.", 0)
    large_share: float = knob(0.05, "A larger share of all samples is never few.", 0.0, 1.0)
    few_share: float = knob(0.01, "Up to this share they are few, however many.", 0.0, 1.0)
    check_samples: int = knob(5000, "Samples of each set on which agreement is measured.", 1)
    max_seconds: float = knob(
        0.0, "Methods are begun only if they are forecast to end within it; 0 is no limit.", 0.0
    )
    embed_batch: int = knob(
        512, "Batch size where no gradients are needed; on a CPU 64 at most.", 1, 65536
    )
