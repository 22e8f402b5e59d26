"""The attempts of a redirection: how large their steps are, when they end, and what is taken."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.workers.memorised import FEW_STEPS, Digits, same, samples, state
from workers.unlearning.base import Problem, Progress, Unlearned
from workers.unlearning.redirect.attempt import Look, Stride, Tried
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.edit import Edit
from workers.unlearning.registry import get_method


def run(problem: Problem) -> Unlearned:
    return get_method("redirect").unlearn(problem, lambda _progress: None)


def plain(digits: Digits, by_heart: int, first: int) -> dict[str, Any]:
    """Sixty samples to forget, each with ten neighbours that leave no doubt about it.

    So many of them have a wrong label; the others are right, from the `first` one that is so.
    """
    with torch.no_grad():
        said = digits.parent(digits.remaining).argmax(dim=1)

    def unanimous(images: Tensor, answers: Tensor, *, same: bool, least: int) -> Tensor:
        distances = torch.cdist(images.flatten(1), digits.remaining.flatten(1))
        # What lies at no distance is the sample itself.
        near = distances.masked_fill(distances == 0.0, torch.inf).topk(20, largest=False).indices
        agree = (said[near] == answers.unsqueeze(1)) == same
        found: Tensor = agree.all(dim=1).nonzero().flatten()
        assert len(found) >= least
        return found

    others = unanimous(digits.remaining, said, same=True, least=first + 60)
    others = others[first : first + 60 - by_heart]
    wrong = unanimous(digits.forgotten, digits.given, same=False, least=by_heart)[:by_heart]
    left = torch.ones(len(digits.remaining), dtype=torch.bool).index_fill(0, others, False)
    gone = torch.cat([digits.forgotten[wrong], digits.remaining[others]])
    return {"forgotten": samples(gone), "remaining": samples(digits.remaining[left])}


# With four of sixty, chance alone would contradict as many about once in four times.
@pytest.mark.parametrize(
    ("by_heart", "large", "share"), [(0, {"max_rewinds": 0}, 0.2), (4, {"doubt": 1.0}, 0.5)]
)
def test_where_nothing_shows_that_anything_is_known_by_heart_steps_are_small(
    digits: Digits, by_heart: int, large: dict[str, Any], share: float
) -> None:
    fast = {"remaining_batch": 64}

    def moved(sets: dict[str, Any], parameters: dict[str, Any]) -> float:
        result = run(digits.problem(**sets, parameters=fast | parameters))
        assert result.reached
        assert result.summary["rewinds"] == 0
        assert result.summary["contradicted_by_chance"] > 0.05
        assert (result.summary["turned"] > 0) == (by_heart > 0)
        before = state(digits.parent)
        return sum(
            float((tensor - before[name]).square().sum())
            for name, tensor in state(result.model).items()
        )

    shares = []
    for first in (0, 100, 200):
        sets = plain(digits, by_heart, first)
        shares.append(moved(sets, {}) / moved(sets, large))
    assert max(shares) < share


def test_if_small_steps_turn_too_few_larger_ones_follow(digits: Digits) -> None:
    short: dict[str, Any] = {"doubt": 0.0, "max_steps": 10, "max_rewinds": 1}
    seen: list[Progress] = []

    result = get_method("redirect").unlearn(digits.problem(parameters=short), seen.append)

    looks = [progress.metrics["turned"] for progress in seen if "turned" in progress.metrics]
    assert result.summary["rewinds"] == 1
    assert looks[0] < result.summary["turned_goal"]
    assert looks[0] < looks[1] == result.summary["after"]["turned"]


def test_where_log_odds_cost_agreement_they_are_given_up_before_steps_get_smaller(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Stride] = []
    attempt = Edit.attempt

    def noted(edit: Edit, stride: Stride, *others: Any) -> Tried:
        taken.append(stride)
        return attempt(edit, stride, *others)

    monkeypatch.setattr(Edit, "attempt", noted)
    monkeypatch.setattr(Edit, "kept", lambda _self, _look: not taken[-1].odds)

    result = run(digits.problem())

    assert taken == [Stride(1.0), Stride(1.0, odds=False)]
    assert result.summary["rewinds"] == 1
    assert result.reached


@pytest.mark.parametrize(
    ("asked", "fixed", "kept"),
    [("membership", False, True), ("membership", True, False), ("utility", False, False)],
)
def test_held_out_decisions_may_change_further_for_a_level_where_the_gate_judges_them(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, asked: str, *, fixed: bool, kept: bool
) -> None:
    """The floor for held-out samples, with its reserve, lies above 0.93 here."""
    made: list[Edit] = []
    attempt = Edit.attempt

    def noted(edit: Edit, *given: Any) -> Tried:
        made.append(edit)
        return attempt(edit, *given)

    monkeypatch.setattr(Edit, "attempt", noted)
    run(digits.problem(target_level=asked, fixed_floor=fixed, parameters=FEW_STEPS["redirect"]))

    assert (
        made[0].kept(Look(1, agreement=1.0, unseen_agreement=0.93, turned=1.0, apart=0.0)) is kept
    )
    assert not made[0].kept(Look(1, 1.0, unseen_agreement=0.90, turned=1.0, apart=0.0))
    # On remaining samples, there is no such room.
    assert not made[0].kept(Look(1, agreement=0.96, unseen_agreement=1.0, turned=1.0, apart=0.0))


# In doubt, steps of a third come first; where they have lost agreement, whole ones are not tried.
@pytest.mark.parametrize(("doubt", "rewinds"), [(0.2, 2), (0.0, 1)])
def test_agreement_that_cannot_be_kept_ends_in_rewinds_and_is_said(
    digits: Digits, doubt: float, rewinds: int
) -> None:
    bold: dict[str, Any] = {"learning_rate": 1.0, "max_rewinds": 2, "max_steps": 20}

    result = run(digits.problem(parameters=bold | {"doubt": doubt}))

    assert result.summary["rewinds"] == rewinds
    assert not result.summary["agreement_kept"]
    assert not same(state(result.model), state(digits.parent))


@pytest.mark.parametrize(
    ("doubt", "strides"), [(1.0, [(1, 1), (1, 3), (1, 9)]), (0.0, [(1 / 3, 1), (1, 1), (1, 3)])]
)
def test_where_agreement_is_kept_and_too_few_are_turned_they_weigh_more_and_steps_get_no_smaller(
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    doubt: float,
    strides: list[tuple[float, float]],
) -> None:
    taken: list[tuple[float, float]] = []
    attempt = Edit.attempt

    def noted(edit: Edit, stride: Stride, *others: Any) -> Tried:
        taken.append((stride.caution, stride.pull))
        return attempt(edit, stride, *others)

    monkeypatch.setattr(Edit, "attempt", noted)
    # Nothing times three is nothing, so that none of them is ever turned.
    never: dict[str, Any] = {"forget_weight": 0.0, "doubt": doubt, "max_steps": 20}

    result = run(digits.problem(parameters=never | {"max_rewinds": 2}))

    assert not result.reached
    assert result.summary["agreement_kept"]
    assert taken == strides


@pytest.mark.parametrize("seed", [7, 8])
def test_what_an_attempt_had_before_it_lost_agreement_is_not_lost(
    digits: Digits, seed: int
) -> None:
    # Each step is a hundred times as large as it should be, and there is no second attempt. The
    # average of weights is at first hardly moved by that.
    ruinous: dict[str, Any] = {
        "learning_rate": 0.1,
        "averaging": 0.98,
        "forget_weight": 10.0,
        "remaining_batch": 16,
        "check_every": 1,
        "max_rewinds": 0,
        "settle": 1000,
    }

    seen: list[Progress] = []
    result = get_method("redirect").unlearn(
        digits.problem(min_agreement=0.95, parameters=ruinous, seed=seed), seen.append
    )

    # The last report is of what is taken.
    *looks, taken = [progress.metrics for progress in seen if "turned" in progress.metrics]
    assert looks[-1]["agreement"] < 0.95
    assert looks[-1]["turned"] > taken["turned"] > 0.2
    assert taken in looks
    assert taken["agreement"] >= 0.955
    assert result.summary["agreement_kept"]


@pytest.mark.parametrize(("lost", "looks"), [(5, 12), (6, 7)])
def test_agreement_may_be_lost_for_five_looks_and_come_back(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, lost: int, looks: int
) -> None:
    every = RedirectConfig().check_every
    monkeypatch.setattr(
        Edit, "kept", lambda _self, look: not every < look.step <= (1 + lost) * every
    )
    seen: list[Progress] = []

    endless: dict[str, Any] = {"max_steps": 12 * every, "max_rewinds": 0, "settle": 1000}
    get_method("redirect").unlearn(digits.problem(parameters=endless), seen.append)

    # The last report is of what is taken.
    assert len([progress for progress in seen if "turned" in progress.metrics][:-1]) == looks


def test_an_attempt_that_breaks_everything_ends_at_its_first_look(digits: Digits) -> None:
    bold: dict[str, Any] = {"learning_rate": 1.0, "max_rewinds": 2, "max_steps": 50}

    seen: list[Progress] = []
    get_method("redirect").unlearn(digits.problem(parameters=bold), seen.append)

    # The last report is of what is taken.
    looks = [progress for progress in seen if "turned" in progress.metrics][:-1]
    assert len(looks) == 3
