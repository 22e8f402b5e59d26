"""A method that is cut short anywhere and goes on elsewhere ends with the same bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import numerics
from tests.workers.memorised import Digits, same, state
from workers.evaluation.judge import judged
from workers.unlearning.auto import method as auto
from workers.unlearning.base import Offer, Problem, Progress, Report, Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method
from workers.unlearning.savepoints import Clock, DiskSavepoints, NullSavepoints, Saved
from workers.unlearning.work import Work

pytestmark = pytest.mark.exact

# Few steps, with every turn that a method can take: lessons that continue, rewinds, looks.
METHODS: dict[str, dict[str, Any]] = {
    "distil": {
        "batch": 16,
        "passes": 0.7,
        "max_passes": 1.4,
        "min_steps": 10,
        "check_samples": 200,
    },
    "redirect": {
        "max_steps": 15,
        "check_every": 5,
        "max_rewinds": 3,
        "references": 300,
        # The steps of all attempts but the last one are far too large.
        "learning_rate": 0.2,
    },
    "laf": {
        "min_steps": 40,
        "max_steps": 40,
        "check_every": 5,
        "density_steps": 20,
        "embedded_samples": 300,
        "check_samples": 100,
        "learning_rate": 2e-2,
    },
}

# At which report a run is cut short, the next one, and so on: while it reads the answers, then in a
# first lesson or attempt, and in later ones.
CUTS = {"distil": (2, 5, 5, 5), "redirect": (2, 11, 5, 3), "laf": (2, 8, 3, 2)}


class CutShortError(Exception):
    pass


@dataclass
class Cut:
    """Reports as a method does, and is cut short at one of them."""

    at: int
    heard: int = 0

    def __call__(self, _progress: Progress) -> None:
        self.heard += 1
        if self.heard == self.at:
            raise CutShortError


class Always(Clock):
    """A savepoint after each step, whatever it costs."""

    def saved(self, cost: float) -> None:
        """It is due again at once."""


def complain(sentence: str) -> None:
    raise AssertionError(sentence)


def problem_in(digits: Digits, method: str, folder: Path) -> Problem:
    folder.mkdir(exist_ok=True)
    saves = DiskSavepoints(folder / "saves", Always(0), Ranks(), complain)
    compute = Compute(scratch=folder, saves=saves, precision=numerics.PRECISION)
    return digits.problem(parameters=METHODS.get(method, {}), compute=compute, min_agreement=0.99)


def unlearn(problem: Problem, method: str, report: Callable[[Progress], None]) -> Unlearned:
    return get_method(method).unlearn(problem, report)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_cut_short_again_and_again_ends_with_the_same_bytes(
    digits: Digits, tmp_path: Path, method: str
) -> None:
    counted = Cut(at=0)
    plain = digits.problem(parameters=METHODS[method], min_agreement=0.99)
    undisturbed = unlearn(plain, method, counted)

    for at in CUTS[method]:
        with pytest.raises(CutShortError):
            unlearn(problem_in(digits, method, tmp_path), method, Cut(at))
    last = Cut(at=0)
    resumed = unlearn(problem_in(digits, method, tmp_path), method, last)

    # What was done before is not done again.
    assert last.heard < counted.heard
    assert same(state(undisturbed.model), state(resumed.model))
    assert resumed.summary == undisturbed.summary
    assert resumed.parameters == undisturbed.parameters


@dataclass(frozen=True)
class Short:
    """A method that is known by its name only, with few steps."""

    name: str
    place: int

    def check(self, parameters: Mapping[str, Any]) -> None:
        get_method(self.name).check(parameters)

    def offer(self, problem: Problem) -> Offer | None:  # noqa: ARG002 (it suits all)
        return Offer(Work(self.place, 0))

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        short = replace(problem, parameters=METHODS[self.name])
        return get_method(self.name).unlearn(short, report)


def test_a_choice_goes_on_in_the_method_that_it_was_in(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` has judged the first method when it is cut short in the second."""
    few = [Short("redirect", 0), Short("distil", 1)]
    monkeypatch.setattr(auto, "methods", lambda: few)

    def harsh(method: str, **changes: Any) -> Problem:
        # Nothing is good enough, so that all methods are tried.
        problem = problem_in(digits, method, tmp_path / method)
        return judged(replace(problem, min_agreement=1.0, **changes))

    tried: list[str] = []

    def run(problem: Problem, at: int) -> Unlearned:
        cut = Cut(at)

        def report(progress: Progress) -> None:
            tried.append(progress.phase)
            cut(progress)

        return unlearn(problem, "auto", report)

    undisturbed = run(harsh("plain", compute=Compute(precision=numerics.PRECISION)), 0)
    assert [trial["method"] for trial in undisturbed.summary["auto"]["tried"]][:2] == [
        "redirect",
        "distil",
    ]
    count = len(tried)
    second = tried.index("embedding", tried.index("unlearning"))
    with pytest.raises(CutShortError):
        run(harsh("auto"), second + 8)
    tried.clear()
    resumed = run(harsh("auto"), 0)

    assert len(tried) <= count - second
    assert same(state(undisturbed.model), state(resumed.model))
    assert resumed.summary == undisturbed.summary


def test_a_damaged_savepoint_is_said_and_not_used(tmp_path: Path) -> None:
    said: list[str] = []
    saves = DiskSavepoints(tmp_path / "saves", Clock(0), Ranks(), said.append)
    saves.save("step", Saved({"weights": torch.arange(100.0)}, {"step": 7}))
    whole = saves.load("step")
    assert whole is not None
    assert (whole.tensors["weights"].tolist(), whole.facts) == ([*range(100)], {"step": 7})

    (file,) = (tmp_path / "saves").glob("step-*.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert saves.load("step") is None
    (tmp_path / "saves" / "step.json").write_text("{")
    assert saves.load("step") is None
    assert said == [
        "The savepoint step is damaged: ValueError.",
        "The savepoint step is damaged: JSONDecodeError.",
    ]


def test_the_last_savepoint_counts_until_the_next_one_is_whole(tmp_path: Path) -> None:
    saves = DiskSavepoints(tmp_path / "saves", Clock(0), Ranks(), complain)
    saves.save("step", Saved({"weights": torch.zeros(3)}, {"step": 1}))
    # Killed while it writes the next one, and before it renames it.
    (tmp_path / "saves" / "step.partial").write_bytes(b"half")

    kept = saves.load("step")
    assert kept is not None
    assert kept.facts == {"step": 1}
    saves.save("step", Saved({"weights": torch.ones(3)}, {"step": 2}))
    kept = saves.load("step")
    assert kept is not None
    assert kept.facts == {"step": 2}
    assert len(list((tmp_path / "saves").iterdir())) == 2


def test_savepoints_are_due_by_time_and_seldom_where_they_cost_much() -> None:
    assert not Clock(1000).due()
    clock = Clock(0)
    assert clock.due()
    clock.saved(cost=1000.0)
    assert not clock.due()
    clock.saved(cost=0.0)
    assert clock.due()


def test_a_part_that_took_no_time_is_not_kept(tmp_path: Path) -> None:
    seldom = DiskSavepoints(tmp_path / "saves", Clock(60), Ranks(), complain)
    assert (seldom.worth(59), seldom.worth(60)) == (False, True)
    nothing = NullSavepoints()
    nothing.save("step", Saved())
    assert (nothing.due(), nothing.worth(10**9), nothing.load("step")) == (False, False, None)


def test_several_processes_save_no_steps_and_only_the_first_one_writes(tmp_path: Path) -> None:
    """Running statistics are each process's own until a lesson ends."""
    first, second = (
        DiskSavepoints(tmp_path / "saves", Always(0), Ranks(rank, 2), complain) for rank in (0, 1)
    )
    assert not first.due()
    second.save("part", Saved({"one": torch.ones(1)}))
    assert first.load("part") is None
    first.save("part", Saved({"one": torch.ones(1)}))
    assert second.load("part") is not None


def test_the_runs_above_take_every_turn(digits: Digits) -> None:
    """Else they would not show that all of it is kept."""
    found = {}
    for method, parameters in METHODS.items():
        problem = digits.problem(parameters=parameters, min_agreement=0.99)
        found[method] = unlearn(problem, method, lambda _progress: None).summary

    assert found["distil"]["lessons"] > 2
    assert found["redirect"]["rewinds"] > 1
    assert found["laf"]["rewinds"] > 0
