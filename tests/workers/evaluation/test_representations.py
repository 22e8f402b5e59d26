import pytest
import torch
from torch import Tensor

from workers.evaluation.representations import (
    against_shams,
    energy,
    pairs,
    sham_pairs,
    two_sample,
)
from workers.evaluation.shams import draw_shams
from workers.unlearning.neighbours import near


def test_a_held_out_sample_is_used_once_for_the_nearest() -> None:
    """Three forgotten samples are like the held-out one at 4; the second of them is nearest."""
    forgotten, holdout = pairs(torch.tensor([4, 4, 0, 4]), torch.tensor([3.0, 1.0, 5.0, 2.0]))
    assert forgotten.tolist() == [1, 2]
    assert holdout.tolist() == [4, 0]


def test_energy_distance_by_hand() -> None:
    """0 and 2 against 4 and 4: 2 * 3 - 1 - 0, with each sample's distance to itself counted."""
    first, second = torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [4.0]])
    assert two_sample(first, second, torch.Generator()).distance == 5.0


def test_the_same_distribution_passes_and_another_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second, wide = (torch.randn(60, 2, generator=generator) for _ in range(3))
    assert two_sample(first, second, generator).p > 0.05
    assert two_sample(first, 3 * wide, generator).p < 0.01


def test_of_numbers_it_is_the_distance_of_distribution_functions() -> None:
    """The same 5, and 0 and 2 against 1: 2 * 1 - 1 - 0."""
    assert energy(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 4.0])) == pytest.approx(5.0)
    assert energy(torch.tensor([0.0, 2.0]), torch.tensor([1.0])) == pytest.approx(1.0)
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(40, generator=generator) for _ in range(2))
    usual = two_sample(first[:, None], second[:, None], generator).distance
    assert energy(first, second) == pytest.approx(usual, rel=1e-4)


def test_a_sham_sample_is_paired_with_the_nearest_that_plays_itself() -> None:
    """Of 0, 1, 3 and 7, the first two play forgotten ones: 3 is nearest to both of them."""
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    playing, others = sham_pairs(near(points, points, 4), torch.tensor([0, 1]))
    assert (playing.tolist(), others.tolist()) == ([1], [2])


def test_shams_raise_no_more_alarms_than_they_say_where_swaps_do() -> None:
    """Who is nearest to somebody lies where samples are dense, and what is dense is known better.

    Displacements (n,) grow with the distance from the middle, and nothing was forgotten.
    """
    generator = torch.Generator().manual_seed(0)

    def draws(count: int) -> tuple[Tensor, Tensor]:
        places = torch.randn(count, 8, generator=generator)
        noise = 0.3 * torch.rand(count, generator=generator)
        return places, places.norm(dim=1) + noise

    alarms = {"shams": 0, "swaps": 0}
    for _ in range(60):
        (unseen, theirs), (forgotten, ours) = draws(300), draws(60)
        shams = draw_shams(60, 300, generator)
        assert shams is not None
        around = near(unseen, unseen, 32)
        usual = [sham_pairs(around, members) for members in shams.members]
        rows, others = pairs(*(one.squeeze(1) for one in near(forgotten, unseen, 1)))
        found = against_shams(ours[rows], theirs[others], usual, theirs)
        swapped = two_sample(ours[rows, None], theirs[others, None], generator)
        alarms["shams"] += found.p < 0.05
        alarms["swaps"] += swapped.p < 0.05

    # Of 60, one in twenty is 3; more than 8 would be by chance once in three hundred times.
    assert alarms["shams"] <= 8
    assert alarms["swaps"] > 20
