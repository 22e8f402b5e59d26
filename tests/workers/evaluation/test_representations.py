from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from workers.evaluation.kinds import strata
from workers.evaluation.representations import (
    against_shams,
    energy,
    pairs,
    sham_pairs,
    two_sample,
)
from workers.evaluation.shams import draw_unseen
from workers.statistics.neighbours import near

pytestmark = pytest.mark.exact


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


Draw = Callable[[int, bool], tuple[Tensor, Tensor, Tensor]]


def alarms(draw: Draw, runs: int, count: int = 60) -> dict[str, int]:
    """How often p < 0.05 where nothing was forgotten, by sham pairs, by swaps, and by both.

    `draw` gives places (n, s), displacements (n,) and kinds (n,) of so many samples, forgotten ones
    or others: `count` of the former and 300 of the latter.
    """
    generator = torch.Generator().manual_seed(0)
    found = {"shams": 0, "swaps": 0, "both": 0}
    for run in range(runs):
        (unseen, theirs, their_kinds), (forgotten, ours, our_kinds) = (
            draw(300, False),
            draw(count, True),
        )
        shams = draw_unseen(strata({"forgotten": our_kinds, "holdout": their_kinds}), run)
        around = near(unseen, unseen, 32)
        usual = [sham_pairs(around, members) for members in shams]
        rows, others = pairs(*(one.squeeze(1) for one in near(forgotten, unseen, 1)))
        held = against_shams(ours[rows], theirs[others], usual, theirs).p < 0.05
        swapped = two_sample(ours[rows, None], theirs[others, None], generator).p < 0.05
        found["shams"] += held
        found["swaps"] += swapped
        found["both"] += held and swapped
    return found


def test_swaps_alone_raise_alarms_where_what_is_dense_is_known_better() -> None:
    """Who is nearest to somebody lies where samples are dense.

    Displacements grow with the distance from the middle.
    """
    found = alarms(known_better_in_the_middle(1), 60)
    assert found["swaps"] > 20
    # One in twenty of 60 is 3; more than 8 would be by chance once in three hundred times.
    assert found["both"] <= 8


@pytest.mark.parametrize("count", [200, 300, 600])
def test_sham_pairs_raise_no_alarms_where_few_are_held_out(count: int) -> None:
    """As many forgotten samples as held-out ones, or more: a sham set then has fewer pairs."""
    found = alarms(known_better_in_the_middle(count), 60, count)
    assert found["shams"] <= 8


def known_better_in_the_middle(seed: int) -> Draw:
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int, _forgotten: bool) -> tuple[Tensor, Tensor, Tensor]:
        places = torch.randn(count, 8, generator=generator)
        far = places.norm(dim=1) + 0.3 * torch.rand(count, generator=generator)
        return places, far, torch.zeros(count, dtype=torch.int64)

    return draw


@pytest.mark.parametrize("told", [False, True])
def test_sham_pairs_alone_raise_alarms_where_the_forgotten_are_of_a_kind_that_is_not_told(
    told: bool,
) -> None:
    """Of ten kinds, one is displaced three times as far as the others, forgotten or not."""
    generator = torch.Generator().manual_seed(2)
    centres = 20 * torch.randn(10, 8, generator=generator)

    def draw(count: int, forgotten: bool) -> tuple[Tensor, Tensor, Tensor]:
        kinds = torch.randint(10, (count,), generator=generator)
        kinds = torch.zeros_like(kinds) if forgotten else kinds
        places = centres[kinds] + torch.randn(count, 8, generator=generator)
        far = torch.where(kinds == 0, 3.0, 1.0) * torch.rand(count, generator=generator)
        return places, far, kinds if told else torch.zeros_like(kinds)

    found = alarms(draw, 40)
    # One in twenty of 40 is 2; more than 6 would be by chance once in three hundred times.
    assert (found["shams"] <= 6) == told
    assert found["both"] <= 6
