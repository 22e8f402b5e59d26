import pytest
import torch
from torch import Tensor, nn

from workers.unlearning.base import Tap
from workers.unlearning.tap import TapError, Tapped, find_tap
from workers.zoo import fashion_cnn


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


class Scaled(nn.Module):
    """Its logits are not the output of a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pool(self.conv(x)).flatten(1)) * 2.0
        return logits


def test_a_zoo_model_says_itself_where_its_representation_is() -> None:
    assert find_tap(fashion_cnn(), torch.zeros(2, 1, 28, 28)) == Tap("embed", "output")


def test_auto_is_the_input_of_the_last_linear_layer() -> None:
    model, x = plain(), torch.randn(5, 2, 3)
    tap = find_tap(model, x)
    assert tap == Tap("3", "input")
    with Tapped(model, tap) as tapped:
        representation, logits = tapped(x)
    assert torch.equal(representation, model[:3](x))
    assert torch.equal(logits, model(x))


def test_a_name_by_hand_wins_and_a_pooled_map_is_flattened() -> None:
    tap = find_tap(Scaled(), torch.randn(2, 1, 5, 5), "pool")
    assert tap == Tap("pool", "output")
    with Tapped(Scaled(), tap) as tapped:
        assert tapped(torch.randn(2, 1, 5, 5))[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("model", "name", "sentence"),
    [
        (plain(), "4", 'no module "4". Modules with weights: 1, 3'),
        (Scaled(), "auto", "could not be found"),
        (Scaled(), "conv", "Name a module behind the pooling"),
        (Scaled(), "unused", "took no part"),
        (nn.Conv2d(1, 2, 3), "auto", "could not be found"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), "0", "representation is of shape"),
    ],
)
def test_what_cannot_be_tapped_is_said(model: nn.Module, name: str, sentence: str) -> None:
    with pytest.raises(TapError) as caught:
        find_tap(model, torch.randn(2, 1, 5, 5) if name != "4" else torch.randn(2, 2, 3), name)
    assert sentence in str(caught.value)


def test_an_output_that_is_no_batch_of_logits_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (2, 2)))
    with pytest.raises(TapError, match="logits of shape"):
        find_tap(model, torch.randn(3, 4), "0")


def test_tapping_leaves_the_model_as_it_was() -> None:
    model = plain().train()
    keys = list(model.state_dict())
    tap = find_tap(model, torch.randn(2, 6))
    with Tapped(model, tap) as tapped:
        tapped(torch.randn(2, 6))
        assert list(model.state_dict()) == keys
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
