"""`auto` goes on until its judge finds the target level, and returns the best result."""

from dataclasses import dataclass, replace

import pytest
from torch import nn

from tests.workers.memorised import FEW_STEPS, Digits
from tests.workers.unlearning.stubs import Halfway, nudged, run, use
from workers.unlearning.auto.method import LEFT_TO_THE_AUDIT
from workers.unlearning.base import Judgement, Progress
from workers.unlearning.compute import Compute
from workers.unlearning.registry import get_method
from workers.unlearning.work import Tally, Work

TOLD = "Forgotten samples can still be told."


@dataclass(frozen=True)
class Levels:
    """A judge that gives these levels to one network after the other, whatever they are."""

    levels: list[str]
    highest: str = "membership"

    def look(self, model: nn.Module) -> Judgement:  # noqa: ARG002 (its answers are set)
        level = self.levels.pop(0)
        held_back = () if level == self.highest else (TOLD,)
        return Judgement(level != "none", level, held_back, {"asked": True}, self.highest)


@pytest.mark.parametrize(
    ("target", "highest", "levels", "tried", "taken"),
    [
        ("membership", "membership", ["utility", "membership", "none"], 2, "distil"),
        ("utility", "membership", ["utility", "membership", "none"], 1, "redirect"),
        # The rebound is left to the audit.
        ("robust", "membership", ["utility", "membership", "none"], 2, "distil"),
        # Nothing more can be measured.
        ("membership", "utility", ["utility", "utility", "none"], 1, "redirect"),
        # None is enough: of equals the cheaper one. A last resort could do more, and is not tried.
        ("membership", "membership", ["utility", "utility", "membership"], 2, "redirect"),
        ("membership", "membership", ["none", "utility", "membership"], 2, "distil"),
        # It is tried where no result is useful.
        ("membership", "membership", ["none", "none", "utility"], 3, "laf"),
    ],
)
def test_the_first_result_at_the_target_is_taken_or_else_the_best(
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    highest: str,
    levels: list[str],
    tried: int,
    taken: str,
) -> None:
    use(monkeypatch, redirect=nudged, distil=nudged, laf=nudged)
    judge = Levels(list(levels), highest)

    unlearned = run(replace(digits.problem(), judge=judge, target_level=target))

    told = unlearned.summary["auto"]
    assert unlearned.method == taken
    assert [trial["level"] for trial in told["tried"]] == levels[:tried]
    assert told["target_level"] == target
    assert told["level"] == max(levels[:tried], key=["none", "utility", "membership"].index)
    assert told.get("note") == (LEFT_TO_THE_AUDIT if target == "robust" else None)
    for trial in told["tried"]:
        assert trial["asked"]
        assert trial["held_back"] == ([] if trial["level"] == highest else [TOLD])


def test_the_level_comes_before_the_methods_own_end(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = use(monkeypatch, redirect=nudged, distil=nudged)
    known["distil"] = Halfway("distil", nudged, 1)
    judge = Levels(["utility", "membership"])

    unlearned = run(replace(digits.problem(), judge=judge, target_level="membership"))

    assert unlearned.method == "distil"


def test_without_a_judge_there_is_no_choice(digits: Digits) -> None:
    with pytest.raises(ValueError, match="needs a judge"):
        run(replace(digits.problem(), judge=None))


def test_each_try_reports_its_processor_seconds_and_counts_its_samples(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, redirect=nudged)
    told: list[Progress] = []

    get_method("auto").unlearn(digits.problem(), told.append)

    seconds = [line.metrics["processor_seconds_redirect"] for line in told]
    assert len(seconds) == 1
    assert seconds[0] > 0


def test_samples_are_counted_where_networks_are_run(digits: Digits) -> None:
    """All answers of the parent, a look at all remaining samples, and eight steps of 32."""
    tally = Tally()
    problem = digits.problem(parameters=FEW_STEPS["distil"], compute=Compute(tally=tally))

    unlearned = get_method("distil").unlearn(problem, lambda _progress: None)

    assert unlearned.summary["steps_taken"] == 8
    remaining, forgotten = len(problem.remaining), len(problem.forgotten)
    assert tally.work() == Work(read=2 * remaining + forgotten, trained=8 * 32)
