"""Shares and intervals, derived by hand; and what is to be seen on a network that has memorised."""

import pytest
import torch

from tests.workers.memorised import Digits
from workers.evaluation.contradiction import contradicted, contradiction, wilson
from workers.unlearning.registry import get_method


def test_a_sample_is_contradicted_where_its_neighbours_are_decided_otherwise() -> None:
    """Ten references at 0 of class 0, ten at 9 of class 1: the sample at 1 is one of class 0."""
    references = torch.tensor([[0.0]] * 10 + [[9.0]] * 10)
    their = torch.tensor([[0.9, 0.1]] * 10 + [[0.2, 0.8]] * 10)
    outputs = torch.tensor([[0.6, 0.4], [0.4, 0.6]])
    view = torch.tensor([[1.0], [1.0]])
    assert contradicted(outputs, view, references, their).tolist() == [False, True]


def test_wilsons_interval() -> None:
    """1 of 10: middle (0.1 + z²/20) / (1 + z²/10), z = 1.96: from 0.0179 to 0.4042."""
    assert wilson(0.1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-3)
    assert wilson(0.0, 10)[0] == pytest.approx(0.0, abs=1e-12)
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_newcombes_interval() -> None:
    """56 of 70 against 48 of 80: 0.2, from 0.0524 to 0.3339 (his table II, example a)."""
    forgotten, holdout = torch.arange(70) < 56, torch.arange(80) < 48
    found = contradiction(forgotten, holdout)
    assert found.excess == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-3)


@pytest.fixture(scope="module")
def digits(memorised_digits: Digits) -> Digits:
    return memorised_digits


def test_the_audit_tells_a_network_that_memorised_from_one_that_never_saw(digits: Digits) -> None:
    """Power: the parent fails by far, and a student with fresh weights passes."""
    student = get_method("distil").unlearn(
        digits.problem(parameters={"min_steps": 400}), lambda _progress: None
    )
    report = digits.measure(student.model)

    assert report.contradiction is not None
    assert report.contradiction.before.low > 0.5
    assert abs(report.contradiction.after.excess) < 0.15
    assert report.contradiction.passed
    # The parent itself, as if nothing had been done.
    nothing = digits.measure(digits.parent)
    assert nothing.contradiction is not None
    assert not nothing.contradiction.passed
    assert nothing.level == "utility"
    assert nothing.statement.endswith("what their neighbours are.")
