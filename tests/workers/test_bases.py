"""What may be registered as the base of a model, and what becomes of it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, BertModel

from service.core.settings import Settings
from workers.architectures import Blueprint, blueprint_of
from workers.artifacts import ArtifactError, take_over
from workers.plan import Architecture, PretrainedArchitecture
from workers.zoo import digits_cnn

MODULE = Architecture(kind="module", factory="workers.zoo:digits_cnn", kwargs={})
SMALL: dict[str, Any] = {
    "num_labels": 3,
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "architectures": ["BertForSequenceClassification"],
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A registered network's directory."""
    directory = tmp_path / "model"
    directory.mkdir()
    torch.manual_seed(1)
    save_file(digits_cnn().state_dict(), directory / "model.safetensors")
    return directory


def saved(tensors: dict[str, Tensor], directory: Path) -> Path:
    directory.mkdir()
    save_file(tensors, directory / "model.safetensors")
    return directory


def module(directory: Path) -> Blueprint:
    return blueprint_of(MODULE, Settings(), directory)


def other_digits() -> dict[str, Tensor]:
    torch.manual_seed(2)
    return dict(digits_cnn().state_dict())


def test_fresh_weights_are_the_bases_and_a_head_that_it_lacks_is_new(
    model: Path, tmp_path: Path
) -> None:
    body = {name: value for name, value in other_digits().items() if "head" not in name}
    blueprint = module(model)
    torch.manual_seed(3)
    assert not torch.equal(blueprint.fresh().state_dict()["embed.weight"], body["embed.weight"])

    blueprint.adopt(saved(body | {"pretext.weight": torch.ones(3)}, tmp_path / "base"), model)

    assert blueprint.begins_with_basis
    torch.manual_seed(3)
    first = blueprint.fresh().state_dict()
    torch.manual_seed(4)
    second = blueprint.fresh().state_dict()
    for name, value in body.items():
        assert torch.equal(first[name], value)
    heads = [name for name in first if "head" in name]
    assert heads
    assert all(not torch.equal(first[name], second[name]) for name in heads)
    # The registered weights are what is loaded, whatever the base is.
    assert not torch.equal(blueprint.load(model).state_dict()["embed.weight"], body["embed.weight"])


def test_a_base_goes_with_every_version(model: Path, tmp_path: Path) -> None:
    module(model).adopt(saved(other_digits(), tmp_path / "base"), model)
    later = tmp_path / "later"
    later.mkdir()

    take_over(model, later)

    assert (later / "base.safetensors").read_bytes() == (model / "base.safetensors").read_bytes()


def without(names: str) -> dict[str, Tensor]:
    return {name: value for name, value in other_digits().items() if names not in name}


def not_finite() -> dict[str, Tensor]:
    tensors = other_digits()
    tensors["embed.weight"][0, 0] = torch.inf
    return tensors


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (without("embed"), "% of the network's weights"),
        ({"a": torch.ones(2)}, "0% of the network's weights"),
        (not_finite(), "not finite"),
    ],
)
def test_what_is_no_base_of_the_network_is_refused(
    model: Path, tmp_path: Path, tensors: dict[str, Tensor], reason: str
) -> None:
    base = saved(tensors, tmp_path / "base")

    with pytest.raises(ArtifactError, match=reason):
        module(model).adopt(base, model)

    assert not module(model).begins_with_basis


def test_the_model_itself_is_no_base(model: Path) -> None:
    """It has seen what is to be forgotten."""
    with pytest.raises(ArtifactError, match="the weights of the model itself"):
        module(model).adopt(model, model)


def test_a_base_that_no_longer_fits_is_not_left_out(model: Path, tmp_path: Path) -> None:
    """Another version of transformers may call a network's tensors otherwise."""
    blueprint = module(model)
    blueprint.adopt(saved(other_digits(), tmp_path / "base"), model)
    kept = load_file(model / "base.safetensors")
    save_file({f"new.{name}": value for name, value in kept.items()}, model / "base.safetensors")

    with pytest.raises(ArtifactError, match=r"not of this network, such as new\..*again"):
        blueprint.fresh()


def test_a_file_that_is_not_safetensors_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"\x80\x04 a pickle")

    with pytest.raises(ArtifactError, match="cannot be read"):
        module(model).adopt(tmp_path / "base", model)


def test_a_network_without_its_prefix_is_the_base_of_a_classifier(tmp_path: Path) -> None:
    """As a pretrained encoder is of what was fine-tuned from it."""
    config = BertConfig(**SMALL)
    torch.manual_seed(1)
    tuned = BertForSequenceClassification(config)
    tuned.save_pretrained(tmp_path / "model")
    torch.manual_seed(2)
    encoder: nn.Module = BertModel(copy.deepcopy(config))
    encoder.save_pretrained(tmp_path / "base")  # type: ignore[operator]
    blueprint = blueprint_of(
        PretrainedArchitecture(kind="transformers"), Settings(), tmp_path / "model"
    )

    blueprint.adopt(tmp_path / "base", tmp_path / "model")

    kept = load_file(tmp_path / "model" / "base.safetensors")
    assert kept
    assert all(name.startswith("bert.") for name in kept)
    fresh = blueprint.fresh().state_dict()
    for name, value in encoder.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(fresh[f"network.bert.{name}"], value)
    assert any("classifier" in name for name in fresh)
