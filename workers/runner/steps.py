"""What a registration does now, and the sentence about it where it breaks there.

It imports no torch: indexing has no use for it.
"""

from collections.abc import Callable

from service.core.reasons import JobReason
from workers.plan import ProgressLine, Refused

# What a registration does before it has told anything.
FIRST = "started"
ADVICE = "What it read there may be damaged: write it anew, and register it again."


class Steps:
    """Passes a registration's progress on, and remembers the step that it is in."""

    def __init__(self, tell: Callable[[ProgressLine], None]) -> None:
        self._tell = tell
        self.now = FIRST

    def tell(self, line: ProgressLine) -> None:
        if line.step is not None:
            self.now = line.step
        self._tell(line)

    def begin(self, step: str) -> None:
        """A step of a registration that has no phases."""
        self.tell(ProgressLine(phase="loading", fraction=0, step=step))

    def broken(self, error: Exception) -> Refused:
        """How a registration ends that an error ends which nothing expects.

        The error's own words may quote what it read, so only its kind is told.
        """
        reason = f"It failed with {type(error).__name__} while it {self.now}. {ADVICE}"
        return Refused(reason=reason, code=JobReason.CRASHED)


def broke_down(how: str, step: str) -> str:
    """The sentence for a registration whose process has ended without an outcome."""
    if step == FIRST:
        return f"Its process {how} before it read anything: an operator must look at the worker."
    return f"Its process {how} while it {step}. {ADVICE}"
