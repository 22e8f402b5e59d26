"""A limit on time: what is forecast to take longer is not begun."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests import numerics
from tests.workers.memorised import Digits, Watched, same, state
from tests.workers.unlearning.stubs import Sized, fail, run, use
from workers.unlearning.auto import method as auto
from workers.unlearning.auto.budget import Budget
from workers.unlearning.auto.pace import Pace, pace_of
from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.compute import Compute
from workers.unlearning.ranks import Ranks
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.forecast import work_of as redirection
from workers.unlearning.registry import get_method
from workers.unlearning.savepoints import Clock, DiskSavepoints
from workers.unlearning.work import Work

# Some work of the problem below: read, and trained on.
WORK = {
    "distil": Work(90_000, 216_000),
    "redirect": Work(348_000, 64_000),
    "guided": Work(908_000, 230_400),
}


def work_of(name: str, problem: Problem) -> Work:
    """What a method says it would do."""
    offer = get_method(name).offer(problem)
    assert offer is not None
    return offer.work


def test_what_a_method_does_is_counted_by_its_defaults(digits: Digits) -> None:
    """48,000 remaining, 12,000 forgotten and 10,000 held-out samples, counted by hand."""
    problem = digits.problem(
        remaining=Sized(48_000), forgotten=Sized(12_000), holdout=Sized(10_000)
    )
    # All answers and three looks; one and a half lessons of 767 steps of 128.
    assert work_of("distil", problem) == Work(60_000 + 6_000, 1.5 * 767 * 128)
    # 20,000 + 12,000 + 2,000 twice, and two attempts of 10 looks and of 100 steps.
    assert redirection(RedirectConfig(), problem) == Work(68_000 + 20 * 14_000, 200 * (256 + 64))
    assert work_of("guided", problem) == Work(68_000 + 60 * 14_000, 600 * (256 + 128))
    # 48,000 + 12,000 + 1,000, a look at 3,000 each fifty of 1,880 steps.
    assert work_of("laf", problem) == Work(61_000 + 37.6 * 3000, 1880 * (128 + 64))


def test_time_that_is_left_decides(digits: Digits) -> None:
    problem = digits.problem(
        remaining=Sized(48_000), forgotten=Sized(12_000), holdout=Sized(10_000)
    )
    now = 0.0
    # A distillation is forecast to take 9 + 216 seconds.
    budget = Budget(240.0, problem, lambda _problem: Pace(1e-4, 1e-3), lambda: now)
    assert budget.forbids("distil", WORK["distil"]) is None
    now = 20.0
    assert budget.forbids("distil", WORK["distil"]) == (
        "distil would take about 225 s, and 220 s of 240 are left."
    )
    assert budget.forbids("redirect", WORK["redirect"]) is None
    now = 1000.0
    assert "and 0 s of 240 are left" in str(budget.forbids("redirect", WORK["redirect"]))
    unlimited = Budget(0.0, problem, pace_of, lambda: now)
    assert unlimited.forbids("distil", WORK["distil"]) is None


def test_a_run_that_goes_on_has_no_more_time_than_was_left(digits: Digits, tmp_path: Path) -> None:
    """Else a method could be begun that was not, and another version would be published."""
    saves = DiskSavepoints(tmp_path, Clock(0.0), Ranks(), pytest.fail)
    problem = digits.problem(
        remaining=Sized(48_000),
        forgotten=Sized(12_000),
        holdout=Sized(10_000),
        compute=Compute(saves=saves, precision=numerics.PRECISION),
    )
    now = 0.0

    def budget() -> Budget:
        return Budget(240.0, problem, lambda _problem: Pace(1e-4, 1e-3), lambda: now)

    first = budget()
    assert first.forbids("redirect", WORK["redirect"]) is None
    now = 20.0
    said = first.forbids("distil", WORK["distil"])
    assert said is not None

    now = 1000.0
    resumed = budget()
    assert resumed.forbids("redirect", WORK["redirect"]) is None
    assert resumed.forbids("distil", WORK["distil"]) == said
    now = 1219.0
    assert "1 s of 240 are left" in str(resumed.forbids("guided", WORK["guided"]))


def test_the_pace_is_taken_on_a_few_samples_and_leaves_no_trace(digits: Digits) -> None:
    """512 samples are read twice, and 128 trained on in each of five steps."""
    remaining, before = Watched(digits.remaining), state(digits.parent)
    drawn = torch.get_rng_state()

    pace = pace_of(digits.problem(remaining=remaining))

    assert sum(remaining.read) == 2 * 512 + 5 * 128
    assert pace.read > 0
    assert pace.trained > 0
    assert same(before, state(digits.parent))
    assert torch.equal(drawn, torch.get_rng_state())


def test_a_run_says_what_there_was_no_time_for(digits: Digits) -> None:
    given = digits.problem(parameters={"max_seconds": 1e-3})
    with pytest.raises(UnlearningError, match=r"no time for any method: distil would take about"):
        get_method().unlearn(given, lambda _progress: None)

    unlearned = get_method().unlearn(
        replace(given, parameters={"max_seconds": 1e6}), lambda _progress: None
    )
    (tried,) = unlearned.summary["auto"]["tried"]
    assert tried["method"] == unlearned.method == "distil"
    assert "skipped" not in tried


def test_a_method_for_which_there_is_no_time_is_left_out(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hurried:
        def __init__(self, seconds: float, _problem: Problem) -> None:
            assert seconds == 60.0

        def forbids(self, name: str, work: Work) -> str | None:
            assert isinstance(work, Work)
            return "distil would take long." if name == "distil" else None

    monkeypatch.setattr(auto, "Budget", Hurried)
    use(
        monkeypatch,
        redirect=fail,
        distil=lambda given: given.fresh(),
        laf=lambda given: given.model,
    )

    unlearned = run(digits.problem(parameters={"max_seconds": 60}))

    assert unlearned.method == "laf"
    assert unlearned.summary["auto"]["tried"][1] == {
        "method": "distil",
        "skipped": "distil would take long.",
    }
