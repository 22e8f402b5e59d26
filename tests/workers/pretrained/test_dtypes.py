"""In which types weights are read, audited and written."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from service.core.settings import Settings
from tests.workers.pretrained.families import bert, seeded
from workers.architectures import blueprint_of
from workers.architectures.pretrained import Pretrained
from workers.artifacts import ArtifactError, take_over
from workers.plan import Architecture
from workers.quantised import refuse_quantised
from workers.runner.readback import refuse_unless_rewritten, write_and_read_back
from workers.unlearning.inputs import Inputs
from workers.unlearning.tap import find_tap

WEIGHTS = "model.safetensors"
NORM = "bert.encoder.layer.0.output.LayerNorm.weight"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Matrices in bfloat16 and norms in float32, whose numbers bfloat16 does not have."""
    directory = tmp_path / "mixed"
    network = seeded(bert)
    nn.Module.to(network, torch.bfloat16)
    network.save_pretrained(directory)
    tensors = load_file(directory / WEIGHTS)
    for name, tensor in tensors.items():
        if "LayerNorm" in name:
            tensors[name] = tensor.float() + 1.001e-3
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    return directory


def served(directory: Path) -> dict[str, Tensor]:
    """By the user's own line, in numbers that can be compared."""
    network = AutoModelForSequenceClassification.from_pretrained(directory)
    assert {tensor.dtype for tensor in network.parameters()} == {torch.bfloat16}
    return {f"network.{name}": tensor.float() for name, tensor in network.state_dict().items()}


def test_a_mixed_file_is_audited_as_it_is_served_and_written_as_it_was(
    mixed: Path, tmp_path: Path
) -> None:
    blueprint, target = Pretrained(mixed), tmp_path / "target"
    model = blueprint.load(mixed)
    assert all(torch.equal(model.state_dict()[name], its) for name, its in served(mixed).items())
    assert blueprint.facts()["served_in"] == ["bfloat16"]
    (tmp_path / "scratch").mkdir()
    refuse_unless_rewritten(blueprint, mixed, tmp_path / "scratch")
    stored = load_file(mixed / WEIGHTS)
    assert torch.equal(load_file(tmp_path / "scratch" / WEIGHTS)[NORM], stored[NORM])

    target.mkdir()
    take_over(mixed, target)
    inputs: Inputs = {"input_ids": torch.arange(4, 12).reshape(2, 4)}
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.003e-2)
    again = write_and_read_back(
        blueprint, model, find_tap(model, inputs), mixed, target, inputs
    ).state_dict()

    written = load_file(target / WEIGHTS)
    assert {name: tensor.dtype for name, tensor in written.items()} == {
        name: tensor.dtype for name, tensor in stored.items()
    }
    assert not torch.equal(again[f"network.{NORM}"], written[NORM])
    assert all(torch.equal(again[name], its) for name, its in served(target).items())


QUANTISED = {
    "bert.pooler.dense.weight.absmax": torch.zeros(2),
    "bert.pooler.dense.SCB": torch.zeros(2),
    "bert.pooler.dense.qweight": torch.zeros(2, 2, dtype=torch.int32),
    "bert.pooler.dense.weight_packed": torch.zeros(2, 2, dtype=torch.int32),
    "bert.pooler.dense.weight_scale_inv": torch.zeros(2, 2),
    "bert.pooler.dense.weight": torch.zeros(2, 2).to(torch.float8_e4m3fn),
    "bert.classifier.weight": torch.zeros(2, 2, dtype=torch.int8),
}


@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_weights_are_refused_by_name(name: str, mixed: Path) -> None:
    """Their configuration may say nothing of it."""
    tensors = load_file(mixed / WEIGHTS) | {name: QUANTISED[name]}
    save_file(tensors, mixed / WEIGHTS, metadata={"format": "pt"})
    blueprint = Pretrained(mixed)

    with pytest.raises(ArtifactError, match="weights are quantised") as caught:
        blueprint.load(mixed)

    assert name in str(caught.value)


def test_a_factorys_weights_in_eight_bits_are_not_taken_for_floating_ones(tmp_path: Path) -> None:
    tensors = {"head.weight": torch.zeros(2, 2).to(torch.float8_e5m2)}
    save_file(tensors, tmp_path / WEIGHTS)
    architecture = Architecture(kind="module", factory="workers.zoo:digits_cnn", kwargs={})

    with pytest.raises(ArtifactError, match="is of type F8_E5M2"):
        blueprint_of(architecture, Settings(), tmp_path).load(tmp_path)


def test_double_precision_is_not_taken_for_few_bits(tmp_path: Path) -> None:
    save_file({"head.weight": torch.zeros(2, 2, dtype=torch.float64)}, tmp_path / WEIGHTS)

    refuse_quantised(tmp_path, by_name=True)
