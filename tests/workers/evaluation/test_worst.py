import pytest
import torch

from workers.evaluation.report import Interval
from workers.evaluation.worst import conformal, discoveries, worst


def test_a_p_value_counts_reference_samples_that_score_as_high() -> None:
    """Of 9 reference samples, 0 are as high as 10, 1 as high as 9 (a tie), all as high as 0."""
    found = conformal(torch.tensor([10.0, 9.0, 0.0]), torch.arange(1.0, 10.0))
    assert found.tolist() == pytest.approx([0.1, 0.2, 1.0])


def test_benjamini_and_hochberg_look_at_the_last_that_is_below_the_line() -> None:
    """At 5 %, of four: lines at 0.0125, 0.025, 0.0375, 0.05. The second is above, the third not."""
    assert discoveries(torch.tensor([0.9, 0.01, 0.03, 0.036]), 0.05) == 3
    assert discoveries(torch.tensor([0.02, 0.9, 0.9, 0.9]), 0.05) == 0


def test_the_worst_and_those_beyond_the_held_out_ones() -> None:
    """Held-out 0 to 199: two of them may lie above the threshold, 197."""
    forgotten = torch.cat([torch.tensor([198.0, 500.0, 300.0]), torch.arange(17.0)])
    found = worst(forgotten, torch.arange(200.0), Interval(0.5, 0.4, 0.6, None, None, None))
    assert found.worst[:3] == [500.0, 300.0, 198.0]
    assert len(found.worst) == 10
    assert found.beyond == 3
    assert found.beyond_low < 0.15 < found.beyond_high
    assert found.smallest_p == pytest.approx(1 / 201)
    assert found.quantiles["100"] == 500.0
    assert found.holdout_quantiles["50"] == pytest.approx(99.5)
