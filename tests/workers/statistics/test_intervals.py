"""Against values from tables, and counted by hand."""

import pytest
import torch

from workers.statistics.intervals import (
    at_least,
    clopper_pearson,
    ends,
    hits_among,
    resampled_means,
    wilson,
)


def test_wilsons_interval() -> None:
    """1 of 10: middle (0.1 + z²/20) / (1 + z²/10), z = 1.96: from 0.0179 to 0.4042."""
    assert wilson(0.1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-3)
    assert wilson(0.0, 10)[0] == pytest.approx(0.0, abs=1e-12)
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_clopper_and_pearsons_interval() -> None:
    """Of none of 20, the upper end p has (1 - p)^20 = 0.025; 2 of 10 is in every table."""
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)), abs=1e-9)
    assert clopper_pearson(20, 20) == pytest.approx((0.025 ** (1 / 20), 1.0), abs=1e-9)
    assert clopper_pearson(2, 10) == pytest.approx((0.0252, 0.5561), abs=1e-4)


def test_the_chance_of_so_many_or_more() -> None:
    """Two or three heads of three throws: 4 of 8 ways."""
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
    assert at_least(0, 3, 0.1) == 1.0
    assert at_least(3, 3, 0.2) == pytest.approx(0.008)
    assert at_least(1, 3, 0.0) == 0.0
    assert at_least(2, 3, 1.0) == 1.0


def test_the_chance_of_so_many_above_a_threshold() -> None:
    """Of 2 members and 3 others, both above all but one of the others.

    The three highest of five hold both members: 3 of the 10 ways to place them.
    """
    assert hits_among(2, [3], [2], [3]) == pytest.approx(0.3)
    assert hits_among(0, [1], [2], [3]) == pytest.approx(1.0)


def test_the_chance_of_so_many_among_draws_from_several_strata() -> None:
    """One of a member and an other, one of a member and three others: 1 - 1/2 * 3/4, and 1/8."""
    strata = [1, 1], [1, 1], [1, 3]
    assert hits_among(0, *strata) == pytest.approx(1.0)
    assert hits_among(1, *strata) == pytest.approx(5 / 8)
    assert hits_among(2, *strata) == pytest.approx(1 / 8)
    assert hits_among(3, *strata) == 0.0
    # Nothing is drawn of the first.
    assert hits_among(1, [0, 1], [1, 1], [1, 3]) == pytest.approx(1 / 4)


def test_the_mean_of_bootstrap_samples_spreads_as_a_mean_does() -> None:
    """Of 0 and 1 in equal parts: 0.5 by square root of n; the second column is of the same rows."""
    values = torch.tensor([0.0, 1.0]).repeat(200)
    drawn = resampled_means(torch.stack([values, 1.0 - values], dim=1), 2000, seed=0)
    assert drawn.shape == (2000, 2)
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(2000, dtype=torch.double))
    assert float(drawn[:, 0].std()) == pytest.approx(0.025, rel=0.1)
    assert ends(drawn[:, 0]) == pytest.approx((0.45, 0.55), abs=0.006)
    # More rows than are drawn at once.
    assert resampled_means(torch.ones(70_000, 1), 2, seed=0).tolist() == [[1.0], [1.0]]
