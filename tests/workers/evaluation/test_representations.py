import torch

from workers.evaluation.representations import pairs, two_sample


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
