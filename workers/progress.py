"""From phases to one number, and from many figures to a few."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from service.core.tables import JobPhase
from workers.plan import ProgressLine

# Each phase's share of a run, by what it took on the digits and on Fashion-MNIST.
SHARES = {
    JobPhase.LOADING: 0.10,
    JobPhase.EMBEDDING: 0.15,
    JobPhase.MODELLING: 0.15,
    JobPhase.UNLEARNING: 0.40,
    JobPhase.AUDITING: 0.15,
    JobPhase.PUBLISHING: 0.05,
}
POINTS = 200


@dataclass
class RunProgress:
    """Where a run is. `metrics` is thinned to at most `POINTS` points, evenly."""

    phase: JobPhase = JobPhase.LOADING
    overall: float = 0.0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    _stride: int = 1
    _seen: int = 0

    def snapshot(self) -> "RunProgress":
        """What is told to another thread, while this one goes on."""
        return replace(self, metrics=list(self.metrics))

    def add(self, line: ProgressLine) -> None:
        self.phase = JobPhase(line.phase)
        phases = list(SHARES)
        before = sum(SHARES[phase] for phase in phases[: phases.index(self.phase)])
        # A run that rewinds does not go backwards for whoever watches it.
        fraction = min(1.0, max(0.0, line.fraction))
        self.overall = max(self.overall, before + SHARES[self.phase] * fraction)
        figures = {name: value for name, value in line.metrics.items() if math.isfinite(value)}
        if not figures:
            return
        if self._seen % self._stride == 0:
            self.metrics.append({"phase": line.phase, "fraction": line.fraction, **figures})
        self._seen += 1
        if len(self.metrics) >= POINTS:
            self.metrics = self.metrics[::2]
            self._stride *= 2
