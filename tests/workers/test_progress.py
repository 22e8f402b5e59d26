"""Many figures of a run, thinned to a few."""

from itertools import pairwise

from service.core.tables import JobPhase
from workers.plan import ProgressLine
from workers.progress import POINTS, SHARES, RunProgress


def test_the_shares_of_all_phases_add_up() -> None:
    assert list(SHARES) == list(JobPhase)
    assert abs(sum(SHARES.values()) - 1) < 1e-9


def test_progress_grows_over_the_phases_and_never_goes_back() -> None:
    progress, seen = RunProgress(), []
    for phase in ("loading", "embedding", "modelling", "unlearning", "auditing", "publishing"):
        for fraction in (0.0, 1.0, 0.5):
            progress.add(ProgressLine.model_validate({"phase": phase, "fraction": fraction}))
            seen.append(progress.overall)

    assert seen == sorted(seen)
    assert abs(seen[-1] - 1) < 1e-9
    assert progress.phase == JobPhase.PUBLISHING


def test_metrics_are_thinned_evenly_and_keep_the_first() -> None:
    progress = RunProgress()
    for step in range(10 * POINTS):
        line = ProgressLine(phase="unlearning", fraction=0, metrics={"step": float(step)})
        progress.add(line)

    steps = [point["step"] for point in progress.metrics]
    assert len(steps) < POINTS
    assert steps[0] == 0
    assert len({b - a for a, b in pairwise(steps)}) == 1


def test_figures_that_are_not_finite_are_left_out() -> None:
    progress = RunProgress()
    metrics = {"good": 1.0, "bad": float("nan"), "worse": float("inf")}
    progress.add(ProgressLine(phase="unlearning", fraction=0.1, metrics=metrics))

    assert progress.metrics == [{"phase": "unlearning", "fraction": 0.1, "good": 1.0}]
