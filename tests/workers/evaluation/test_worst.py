import pytest
import torch

from workers.evaluation.kinds import Strata, strata
from workers.evaluation.report import Interval
from workers.evaluation.worst import conformal, discoveries, worst
from workers.statistics.intervals import hits_among


def test_a_p_value_counts_reference_samples_that_score_as_high() -> None:
    """Of 9 reference samples, 0 are as high as 10, 1 as high as 9 (a tie), all as high as 0."""
    same = torch.ones(3, dtype=torch.double), torch.ones(9, dtype=torch.double)
    found = conformal(torch.tensor([10.0, 9.0, 0.0]), torch.arange(1.0, 10.0), *same)
    assert found.tolist() == pytest.approx([0.1, 0.2, 1.0])


def test_reference_samples_of_a_kind_that_is_rarer_among_them_count_for_more() -> None:
    """Of the first kind are three in four samples, and one in four reference ones: 3 to 1/3.

    7 is below one reference sample of each kind: (3 + 3 + 1/3) / (3 + 3 + 3/3) = 19/21. A sample
    of the rarer kind counts for no less than one where it is held against all: 1 / (1 + 3 + 3/3).
    """
    kinds = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1])
    weights = torch.tensor([3.0, 1 / 3], dtype=torch.double)
    found = conformal(
        torch.tensor([7.0, 7.0, 10.0, 10.0]),
        torch.tensor([8.0, 9.0, 1.0, 2.0]),
        weights[kinds[0]],
        weights[kinds[1]],
    )
    assert found[0].item() == pytest.approx(19 / 21)
    assert found[2].item() == pytest.approx(3 / 7)
    assert found[3].item() == pytest.approx(1 / 5)


def test_benjamini_and_hochberg_look_at_the_last_that_is_below_the_line() -> None:
    """At 5 %, of four: lines at 0.0125, 0.025, 0.0375, 0.05. The second is above, the third not."""
    assert discoveries(torch.tensor([0.9, 0.01, 0.03, 0.036]), 0.05) == 3
    assert discoveries(torch.tensor([0.02, 0.9, 0.9, 0.9]), 0.05) == 0


def test_the_worst_and_those_beyond_the_held_out_ones() -> None:
    """Held-out 0 to 199: two of them may lie above the threshold, 197."""
    forgotten = torch.cat([torch.tensor([198.0, 500.0, 300.0]), torch.arange(17.0)])
    attack = Interval(0.5, 0.4, 0.6, None, None, None)
    found = worst(forgotten, torch.arange(200.0), attack, of_one_kind(20, 200))
    assert found.worst[:3] == [500.0, 300.0, 198.0]
    assert len(found.worst) == 10
    assert found.beyond == 3
    assert found.beyond_low < 0.15 < found.beyond_high
    assert found.smallest_p == pytest.approx(1 / 201)
    assert found.quantiles["100"] == 500.0
    assert found.holdout_quantiles["50"] == pytest.approx(99.5)
    assert found.beyond_p == pytest.approx(hits_among(3, [5], [20], [200]))


def test_whether_many_are_beyond_depends_on_their_kind() -> None:
    """Half of the forgotten samples are of a kind of which all held-out ones score high as well.

    Of these only few were held out: hardly one is among the highest of all.
    """
    forgotten = torch.cat([torch.arange(50.0) + 1000.5, torch.arange(50.0)])
    holdout = torch.cat([torch.arange(8.0) * 7 + 1000, torch.arange(992.0) / 10])
    kinds = {
        "forgotten": torch.tensor([1] * 50 + [0] * 50),
        "holdout": torch.tensor([1] * 8 + [0] * 992),
    }
    attack = Interval(0.5, 0.4, 0.6, None, None, None)
    apart = worst(forgotten, holdout, attack, strata(kinds))
    together = worst(forgotten, holdout, attack, of_one_kind(100, 1000))
    assert together.beyond == apart.beyond == 50
    assert together.discoveries > 0
    assert together.beyond_p < 1e-6
    assert apart.discoveries == 0
    assert apart.beyond_p > 0.05


def of_one_kind(forgotten: int, holdout: int) -> Strata:
    counts = {"forgotten": forgotten, "holdout": holdout}
    return strata({name: torch.zeros(one, dtype=torch.int64) for name, one in counts.items()})
