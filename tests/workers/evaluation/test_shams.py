import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.report import Band
from workers.evaluation.shams import DRAWS, bands, draw_shams, figures, outside


def seen(scores: Tensor) -> Seen:
    return Seen({"margin": scores, "memory": scores}, scores > 0.8)


def test_a_sham_set_and_its_held_out_samples_are_apart() -> None:
    shams = draw_shams(30, 100, torch.Generator().manual_seed(0))
    assert shams is not None
    assert shams.members.shape == (DRAWS, 30)
    together = torch.cat([shams.members, shams.others], dim=1).sort(dim=1).values
    assert torch.equal(together, torch.arange(100).expand(DRAWS, 100))


def test_there_are_no_shams_where_too_few_samples_are_left_over() -> None:
    assert draw_shams(51, 100, torch.Generator()) is None


def test_bands_hold_for_all_figures_at_once() -> None:
    """Of sham sets, at most one in twenty has any figure outside, and nearly as many do."""
    generator = torch.Generator().manual_seed(0)
    names = ("a", "b", "memory")
    found = {name: 0.5 + 0.1 * torch.randn(400, generator=generator) for name in names}
    usual = bands(found)
    share = float(outside(found, usual).double().mean())
    assert 0.02 <= share <= 0.05
    # One of them alone is outside more rarely.
    assert float(outside({"a": found["a"]}, usual).double().mean()) < 0.03


def test_only_much_contradiction_speaks_of_memory() -> None:
    usual = bands({"contradiction": torch.linspace(-0.2, 0.2, 400)})
    assert usual["contradiction"].low == -1.0
    little = {"contradiction": torch.tensor([-0.9, 0.5])}
    assert outside(little, usual).tolist() == [False, True]
    assert outside({"x": torch.tensor([0.1])}, {"x": Band(0.2, 0.3)}).tolist() == [True]


def test_figures_of_one_draw() -> None:
    """Members 0.9 and 0.1 against 0.5: one of two pairs is won. Half of them are above 0.8."""
    members, others = seen(torch.tensor([0.9, 0.1, 7.0])), seen(torch.tensor([0.5, 9.0]))
    found = figures(members, others, torch.tensor([[0, 1]]), torch.tensor([[0]]))
    assert {name: value.tolist() for name, value in found.items()} == {
        "margin": [0.5],
        "memory": [0.5],
        "contradiction": [0.5],
    }
