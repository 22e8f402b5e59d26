"""How far a student is in its lessons."""

from dataclasses import dataclass


@dataclass
class Position:
    """`tries` of the first lesson failed, `lessons` are over and took `taken` steps.

    The step size is quartered `quartered` times, at the outset or since. `step` counts the steps of
    the present lesson; `first` is the loss of the first of them, and `recent` a running mean.
    """

    quartered: int = 0
    tries: int = 0
    lessons: int = 0
    taken: int = 0
    step: int = 0
    first: float = 0.0
    recent: float = 0.0

    def heard(self, loss: float) -> None:
        self.step += 1
        self.first = loss if self.step == 1 else self.first
        self.recent = loss if self.step == 1 else 0.98 * self.recent + 0.02 * loss

    def try_again(self) -> None:
        self.tries += 1
        self.quartered += 1
        self.step = 0

    def end_lesson(self) -> None:
        self.lessons += 1
        self.taken += self.step
        self.step = 0
