"""The judge that a choice among methods asks: what the audit finds, on other samples, for less."""

import copy
from dataclasses import replace

import pytest
import torch

from tests.workers.evaluation.test_audit import Rows, fresh, network, rows, turned
from tests.workers.memorised import Digits
from workers.evaluation.judge import AuditJudge, judged
from workers.unlearning.base import Problem
from workers.unlearning.tap import find_tap


def problem(forgotten: Rows, holdout: Rows | None, target: str = "membership") -> Problem:
    """A parent with fresh weights, which remembers nothing."""
    parent = network()
    return Problem(
        model=parent,
        fresh=fresh,
        tap=find_tap(parent, torch.zeros(2, 4)),
        remaining=rows(300, 1),
        forgotten=forgotten,
        holdout=holdout,
        device=torch.device("cpu"),
        seed=3,
        min_agreement=0.97,
        target_level=target,
    )


@pytest.mark.parametrize("target", ["membership", "robust"])
def test_where_nothing_tells_forgotten_samples_the_level_is_membership(target: str) -> None:
    """It is the highest that a judge finds, also where more is asked for."""
    asked = problem(rows(200, 2), rows(400, 4), target)
    found = AuditJudge(asked).look(copy.deepcopy(network()))
    assert (found.kept, found.level, found.highest) == (True, "membership", "membership")
    assert found.held_back == ()
    assert found.facts["agreement"] == 1.0
    assert set(found.facts["populations"]) == {"confidence", "entropy", "margin", "contradiction"}


def test_what_tells_them_holds_the_level_back() -> None:
    found = AuditJudge(problem(rows(200, 2, scale=9.0), rows(400, 4))).look(network())
    assert (found.kept, found.level) == (True, "utility")
    (told,) = found.held_back
    assert "can still be told from held-out ones, by confidence" in told
    assert "confidence" in found.facts["told_by"]
    assert found.facts["populations"]["confidence"] > 0.55


def test_a_changed_network_is_not_kept_whatever_it_forgets() -> None:
    found = AuditJudge(problem(rows(200, 2), rows(400, 4))).look(turned())
    assert (found.kept, found.level) == (False, "none")
    assert "on remaining data is" in found.held_back[0]
    assert found.near == found.facts["agreement"] < 0.97


@pytest.mark.parametrize(
    ("forgotten", "holdout", "target", "reason"),
    [
        (rows(19, 2), rows(400, 4), "membership", "20 forgotten and 20"),
        (rows(200, 2), None, "membership", "no held-out set"),
        (rows(200, 2, scale=9.0), rows(400, 4), "utility", "not asked for"),
    ],
)
def test_what_is_not_measured_is_not_waited_for(
    forgotten: Rows, holdout: Rows | None, target: str, reason: str
) -> None:
    found = AuditJudge(problem(forgotten, holdout, target)).look(network())
    assert (found.kept, found.level, found.highest) == (True, "utility", "utility")
    assert reason in found.facts["not_measured"]["membership"]


def test_it_finds_what_the_audit_finds_and_leaves_no_trace(memorised_digits: Digits) -> None:
    digits = memorised_digits
    asked = judged(replace(digits.problem(), target_level="membership"))
    drawn = torch.get_rng_state()
    assert asked.judge is not None

    first, second = (asked.judge.look(digits.parent) for _ in range(2))

    assert torch.equal(drawn, torch.get_rng_state())
    assert first == second
    report = digits.measure(digits.parent)
    assert report.membership is not None
    assert first.level == report.level == "utility"
    told = {name for name, attack in report.membership.items() if not attack.passed}
    assert told == set(first.facts["told_by"]) - {"contradiction"}
    for name, attack in report.membership.items():
        # Fewer than 5,000 samples are all measured: the draw is not what differs.
        assert first.facts["populations"][name] == pytest.approx(attack.after.auc)
        # Kinds are of another network's neighbours.
        within = first.facts["within_kinds"][name]
        assert within == pytest.approx(attack.within_kinds.after, abs=0.05)


def test_a_floor_that_an_operator_has_set_is_said_to_be_fixed() -> None:
    found = AuditJudge(replace(problem(rows(9, 2), None), fixed_floor=True)).look(turned())
    assert found.facts["rule"] == "fixed"
