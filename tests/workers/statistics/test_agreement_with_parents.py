import math

import pytest
import torch

from workers.statistics.agreement import agreement, divergence
from workers.statistics.hindsight import Hindsight
from workers.statistics.label_noise import LabelNoise


def test_agreement_counts_equal_predictions() -> None:
    """Predictions 0, 1, 1, 0 and 0, 1, 0, 0 agree on three of four."""
    parent = torch.eye(2)[[0, 1, 1, 0]]
    candidate = torch.eye(2)[[0, 1, 0, 0]]
    assert agreement(parent, candidate) == 0.75


def test_of_a_class_that_is_gone_the_next_decision_is_as_good() -> None:
    """The parent decides 0, 0, 1, and next 1, 1, 0; of 0 nothing remains."""
    parent = torch.tensor([[2.0, 1.0, 0.0]] * 2 + [[1.0, 2.0, 0.0]])
    none = LabelNoise(torch.zeros(3), torch.zeros(3), torch.zeros(3, 3))
    emptied = Hindsight(torch.tensor([True, False, False]), none)
    assert agreement(parent, torch.eye(3)[[1, 0, 1]], emptied) == 1.0
    assert agreement(parent, torch.eye(3)[[1, 2, 1]], emptied) == pytest.approx(2 / 3)
    # The other way round nothing is let through: 1 is not gone.
    assert agreement(parent, torch.eye(3)[[1, 1, 0]], emptied) == pytest.approx(2 / 3)


def test_divergence_by_hand() -> None:
    """Parent (1/2, 1/2), candidate (3/4, 1/4): 1/2 ln(2/3) + 1/2 ln 2 = 1/2 ln(4/3)."""
    parent, candidate = torch.zeros(3, 2), torch.tensor([[math.log(3.0), 0.0]]).expand(3, 2)
    assert divergence(parent, candidate) == pytest.approx(0.5 * math.log(4 / 3), abs=1e-6)
    assert divergence(candidate, candidate) == 0.0
