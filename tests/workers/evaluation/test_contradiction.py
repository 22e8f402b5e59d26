"""Shares and intervals, derived by hand; and what is to be seen on a network that has memorised."""

import math

import pytest
import torch
from torch import nn

from tests.workers.memorised import Digits
from workers.evaluation.contradiction import contradicted, contradiction, memory


def test_a_sample_is_contradicted_where_its_neighbours_are_decided_otherwise() -> None:
    neighbours = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    outputs = torch.tensor([[0.6, 0.4], [0.4, 0.6]])
    assert contradicted(outputs, neighbours).tolist() == [False, True]


def test_memory_is_how_much_surer_a_decision_is_than_neighbours_make_it() -> None:
    """Decided with 0.6 where neighbours say 0.9: ln(2/3); with 0.8 where they say 0.1: ln 8."""
    neighbours = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    outputs = torch.tensor([[0.6, 0.4], [0.2, 0.8]])
    wanted = [math.log(2 / 3), math.log(8)]
    assert memory(outputs, neighbours).tolist() == pytest.approx(wanted, abs=1e-6)


def test_newcombes_interval() -> None:
    """56 of 70 against 48 of 80: 0.2, from 0.0524 to 0.3339 (his table II, example a)."""
    forgotten, holdout = torch.arange(70) < 56, torch.arange(80) < 48
    found = contradiction(forgotten, holdout)
    assert found.excess == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-3)


@pytest.fixture(scope="module")
def digits(memorised_digits: Digits) -> Digits:
    return memorised_digits


def test_the_audit_tells_a_network_that_memorised_from_one_that_never_saw(
    digits: Digits, distilled_digits: nn.Module
) -> None:
    """Power: the parent fails by far, and a student with fresh weights passes."""
    report = digits.measure(distilled_digits)

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
