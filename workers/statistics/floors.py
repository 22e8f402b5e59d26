"""The smallest agreement with the parent that counts as utility kept."""

from dataclasses import dataclass

# The floor of the gate's own rule: what every policy asked for before it could leave that open.
DEFAULT_MIN_AGREEMENT = 0.97


def floor_of(min_agreement: float | None) -> float:
    """The floor on remaining data; None: the operator has set none."""
    return DEFAULT_MIN_AGREEMENT if min_agreement is None else min_agreement


@dataclass(frozen=True)
class Floors:
    """Floors of agreement, for a job over so many `forgotten` and `remaining` samples.

    `min_agreement` (0 to 1) is what an operator asks for. `reserve` (0 to 1) is the share of the
    allowed disagreement that is not used: a method keeps one, because the gate measures on other
    samples than the method does.
    """

    min_agreement: float
    forgotten: int
    remaining: int
    reserve: float = 0.0

    @property
    def on_remaining(self) -> float:
        """On remaining samples."""
        return self.min_agreement + self.reserve * (1.0 - self.min_agreement)

    @property
    def on_holdout(self) -> float:
        """On held-out samples.

        Forgetting may rightly change held-out predictions: a model that was retrained without a
        share of its data differs from its parent on held-out data, most of all where that share
        was wrong. So the floor for the remaining data is lowered by the share that was forgotten.
        """
        share = self.forgotten / (self.forgotten + self.remaining)
        return max(0.0, self.on_remaining - share)

    def allow(self, remaining: float, holdout: float | None = None) -> bool:
        """Whether these agreements keep to the floors; `holdout` is None where there is no set."""
        return remaining >= self.on_remaining and (holdout is None or holdout >= self.on_holdout)
