import pytest
import torch

from workers import zoo


@pytest.mark.parametrize(
    ("model", "shape", "weights"),
    [
        (zoo.fashion_cnn(), (1, 28, 28), 416 + 12832 + 401664 + 32896 + 1290),
        (zoo.digits_cnn(), (1, 8, 8), 160 + 4640 + 65664 + 1290),
    ],
)
def test_a_model_has_its_weights_and_its_shapes(
    model: zoo.ConvNet, shape: tuple[int, ...], weights: int
) -> None:
    assert model(torch.zeros(3, *shape)).shape == (3, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == weights
    assert model.representation in dict(model.named_modules())


def test_the_keys_of_the_state_dict_are_stable() -> None:
    assert list(zoo.fashion_cnn().state_dict()) == [
        f"{layer}.{kind}"
        for layer in ("features.0", "features.3", "embed", "head.0", "head.1")
        for kind in ("weight", "bias")
    ]
