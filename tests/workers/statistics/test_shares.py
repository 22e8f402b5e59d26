"""The classes' shares in what remains: numbers derived by hand."""

import math

import pytest
import torch

from workers.statistics.shares import among_others, class_weights, emptied


def test_a_class_that_is_forgotten_wholly_is_learnt_from_nobody() -> None:
    """Remaining (1/4, 3/4) and as many forgotten (1, 0): q = (5/8, 3/8).

    With weights w the share of class 0 in what remains is r = w0 / (w0 + 3 w1), and w = r / q.
    r = 0 is where it stays: from w = 1, r = 1/4 and w = (2/5, 2); then r = 1/16, and so on.
    """
    remaining = torch.tensor([[0.25, 0.75]] * 4)
    forgotten = torch.tensor([[1.0, 0.0]] * 4)
    weights = class_weights(remaining, forgotten, (4, 4))
    assert weights.tolist() == pytest.approx([0.0, 8 / 3], abs=1e-6)
    assert emptied(remaining, forgotten, (4, 4)).tolist() == [True, False]


def test_draws_count_for_the_sets_that_they_are_from() -> None:
    """Certain answers, 1 of 4 remaining ones in class 0, all forgotten ones.

    With 4 remaining and 2 forgotten samples q = (1/2, 1/2) and r = (1/4, 3/4), w = (1/2, 3/2); with
    4,000 and 20,000 of which these are draws, q = (7/8, 1/8), and w = (2/7, 6).
    """
    remaining = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    forgotten = torch.tensor([[1.0, 0.0]] * 2)
    as_they_are = class_weights(remaining, forgotten, (4, 2))
    drawn = class_weights(remaining, forgotten, (4_000, 20_000))
    assert as_they_are.tolist() == pytest.approx([1 / 2, 3 / 2])
    assert drawn.tolist() == pytest.approx([2 / 7, 6.0])


def test_where_shares_stay_as_they_are_nothing_is_emptied() -> None:
    outputs = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    assert class_weights(outputs, outputs, (2, 2)).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    assert not emptied(outputs, outputs, (2, 2)).any()


def test_a_class_that_the_data_never_had_is_not_emptied_by_forgetting() -> None:
    """A thousandth of a sample is expected in class 2: mostly of forgotten ones."""
    remaining = torch.tensor([[0.5, 0.5, 0.0]] * 10)
    forgotten = torch.tensor([[0.4999, 0.5, 0.0001]] * 10)
    assert class_weights(remaining, forgotten, (10, 10))[2] == 0.0
    assert not emptied(remaining, forgotten, (10, 10)).any()


def test_what_cannot_be_said_leaves_the_next_answer() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0]])
    nothing = torch.zeros(3, dtype=torch.bool)
    assert among_others(logits, nothing) is logits
    said = among_others(logits, torch.tensor([True, False, False]))
    assert said.tolist() == [[-math.inf, 2.0, 1.0]]
