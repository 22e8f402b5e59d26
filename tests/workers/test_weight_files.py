"""Weights come and go under their names, in their files, and one tensor under several names."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn

from tests.workers.pretrained.families import seeded, vit
from tests.workers.pretrained.tools.hugging_face import sharing
from workers.architectures.pretrained import Pretrained
from workers.artifacts import ArtifactError
from workers.weight_files import INDEX, import_weights, load_weights, write_weights

WEIGHTS = "model.safetensors"


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    (tmp_path / "parent").mkdir()
    return tmp_path / "parent"


def trained(network: nn.Module) -> nn.Module:
    """The same after a step that moves every weight."""
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.add_(0.5 + number)
    return network


def test_shared_weights_are_trained_as_one_and_written_under_their_one_name(
    parent: Path, tmp_path: Path
) -> None:
    save_model(sharing(), str(parent / WEIGHTS))
    network: Any = sharing()
    load_weights(network, parent)
    before = load_file(parent / WEIGHTS)
    assert torch.equal(network.last.weight, before["first.weight"])

    write_weights(trained(network).state_dict(), parent, tmp_path / "version")

    written = tmp_path / "version" / WEIGHTS
    assert load_file(written).keys() == before.keys()
    # The two lines of the library that saved it.
    again: Any = sharing()
    missing, unexpected = load_model(again, str(written))
    assert not [*missing, *unexpected]
    assert torch.equal(again.last.weight, network.first.weight)
    with safe_open(written, framework="pt") as file:
        assert file.metadata() == {"last.weight": "first.weight"}


def test_weights_that_the_network_does_not_share_as_the_file_says_are_refused(
    parent: Path,
) -> None:
    save_model(sharing(), str(parent / WEIGHTS))
    apart: Any = sharing()
    apart.last.weight = nn.Parameter(torch.zeros(64, 64))
    with pytest.raises(ArtifactError, match=r"last.weight and first.weight are one tensor.* two"):
        load_weights(apart, parent)

    save_file({**apart.state_dict()}, parent / WEIGHTS)
    with pytest.raises(ArtifactError, match=r"first.weight and last.weight are one tensor of the"):
        load_weights(sharing(), parent)


def test_shards_are_written_as_the_parents_and_load_as_they_did(
    parent: Path, tmp_path: Path
) -> None:
    network = seeded(vit)
    network.save_pretrained(parent, max_shard_size="40KB")
    blueprint = Pretrained(parent)
    model = trained(blueprint.load(parent))
    version = tmp_path / "version"
    version.mkdir()
    (version / "config.json").write_bytes((parent / "config.json").read_bytes())

    blueprint.write(model, parent, version)

    assert (version / INDEX).read_bytes() == (parent / INDEX).read_bytes()
    for file in set(json.loads((version / INDEX).read_text())["weight_map"].values()):
        before, after = load_file(parent / file), load_file(version / file)
        assert before.keys() == after.keys()
        assert all(not torch.equal(before[name], after[name]) for name in before)
    published = type(network).from_pretrained(version)
    for name, its in published.state_dict().items():
        assert torch.equal(its, model.state_dict()[f"network.{name}"]), name


def test_of_a_header_the_form_and_shared_names_are_kept(parent: Path, tmp_path: Path) -> None:
    """A file whose header says no more than that is taken byte for byte."""
    tensors = {"weight": torch.ones(2, dtype=torch.bfloat16)}
    said = {"format": "pt", "other": "weight", "caption": "a row", "weight": "other"}
    plain, rewritten, version = parent / WEIGHTS, tmp_path / "rewritten", tmp_path / "version"
    version.mkdir()
    save_file(tensors, plain, metadata=said)
    write_weights(tensors, parent, rewritten)

    import_weights(parent, rewritten, version)

    with safe_open(version / WEIGHTS, framework="pt") as file:
        assert file.metadata() == {"format": "pt", "other": "weight"}
        assert torch.equal(file.get_tensor("weight"), tensors["weight"])
    save_file(tensors, plain, metadata={"format": "pt"})
    write_weights(tensors, parent, rewritten)
    import_weights(parent, rewritten, version)
    assert (version / WEIGHTS).read_bytes() == plain.read_bytes()
