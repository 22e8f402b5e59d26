"""The knobs of the choice. Those of a method are set by naming the method instead."""

from dataclasses import dataclass
from typing import ClassVar

from workers.unlearning.knobs import Knobs, knob


@dataclass(frozen=True)
class AutoConfig(Knobs):
    TITLE: ClassVar[str] = "The method auto"

    max_seconds: float = knob(
        0.0, "Methods are begun only if they are forecast to end within it; 0 is no limit.", 0.0
    )
