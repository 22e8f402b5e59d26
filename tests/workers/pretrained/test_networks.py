"""What a network says of a sample depends on that sample only, and how weights are written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    BertModel,
    ResNetForImageClassification,
    T5Config,
    T5EncoderModel,
    ViTConfig,
    ViTModel,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
)

from tests.workers.pretrained.data import SOUND
from tests.workers.pretrained.families import (
    IMAGE,
    bert_encoder,
    resnet,
    seeded,
    vit,
    vit_encoder,
    wav2vec2,
)
from workers.architectures.base import ArchitectureError
from workers.architectures.networks import Network
from workers.architectures.pooling import frame_mask, pool_tokens
from workers.architectures.pretrained import Pretrained
from workers.architectures.sentences import read_sentences
from workers.runner.readback import answers, write_and_read_back
from workers.unlearning.inputs import Inputs
from workers.unlearning.tap import find_tap

WEIGHTS = "model.safetensors"
IDS = {
    "input_ids": torch.tensor([[2, 40, 41, 3, 0, 0], [2, 50, 51, 52, 53, 3]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]),
}


@pytest.mark.parametrize("mode", ["cls", "lasttoken", "max", "mean"])
def test_text_is_pooled_as_sentence_transformers_says(mode: str, tmp_path: Path) -> None:
    seeded(bert_encoder).save_pretrained(tmp_path)
    if mode != "mean":
        (tmp_path / "1_Pooling").mkdir()
        old = f'{{"word_embedding_dimension": 32, "pooling_mode_{mode}_token": true}}'
        new = f'{{"embedding_dimension": 32, "pooling_mode": "{mode}"}}'
        (tmp_path / "1_Pooling" / "config.json").write_text(old if mode == "cls" else new)

    model = Pretrained(tmp_path).load(tmp_path)

    representation, _ = answers(model, find_tap(model, IDS), IDS)
    with torch.no_grad():
        states = BertModel.from_pretrained(tmp_path, add_pooling_layer=False)(**IDS)[0]
    wanted = {
        "cls": states[:, 0],
        "lasttoken": torch.stack([states[0, 3], states[1, 5]]),
        "max": torch.stack([states[0, :4].max(0).values, states[1].max(0).values]),
        "mean": torch.stack([states[0, :4].mean(0), states[1].mean(0)]),
    }
    torch.testing.assert_close(representation, wanted[mode], rtol=1e-4, atol=1e-5)


def test_pooling_that_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode": ["mean", "median"]}')

    with pytest.raises(ArchitectureError, match="asks for"):
        read_sentences(tmp_path)


def test_tokens_on_the_left_of_padding_or_on_its_right_are_found() -> None:
    states = torch.arange(8.0).reshape(1, 4, 2)
    left = torch.tensor([[0, 0, 1, 1]])
    assert pool_tokens(states, left, "cls").tolist() == [[4.0, 5.0]]
    assert pool_tokens(states, left, "lasttoken").tolist() == [[6.0, 7.0]]
    assert pool_tokens(states, left, "mean").tolist() == [[5.0, 6.0]]


def test_frames_are_what_the_convolutions_leave() -> None:
    config = wav2vec2().config
    mask = torch.zeros(2, 300, dtype=torch.int64)
    mask[0, :100], mask[1] = 1, 1

    frames = frame_mask(mask, 29, config)

    # (100 - 10) // 5 + 1 = 19, and (19 - 3) // 2 + 1 = 9; all of 300 samples leave 29 frames.
    assert frames.sum(dim=1).tolist() == [9, 29]
    with pytest.raises(ArchitectureError, match="makes 15 frames"):
        frame_mask(mask, 15, config)


def test_a_sound_that_is_shorter_than_a_frame_is_heard_alone_and_beside_others(
    tmp_path: Path,
) -> None:
    """Convolutions of 10 and 3 numbers, 5 and 2 apart: a frame takes (3 - 1) 5 + 10 = 20."""
    seeded(wav2vec2).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SOUND))
    sounds = Pretrained(tmp_path).processing({"audio"}).sounds
    assert sounds is not None
    click, tone = np.ones(3, np.float32), np.sin(np.arange(300, dtype=np.float32))
    alone, beside = (sounds.batch(rows, 300) for rows in ([click], [click, tone]))
    assert alone["input_values"].shape == (1, 20)
    assert beside["attention_mask"].sum(dim=1).tolist() == [20, 300]

    model = Pretrained(tmp_path).load(tmp_path)
    tap = find_tap(model, beside)
    (first, _), (second, _) = (answers(model, tap, inputs) for inputs in (alone, beside))
    torch.testing.assert_close(first[:1], second[:1], rtol=1e-4, atol=1e-5)


def test_features_of_sounds_are_pooled_without_their_padding(tmp_path: Path) -> None:
    config = Wav2Vec2BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        feature_projection_input_dim=8,
        conv_depthwise_kernel_size=3,
        add_adapter=False,
    )
    torch.manual_seed(0)
    Wav2Vec2BertModel(config).save_pretrained(tmp_path)
    model = Pretrained(tmp_path).load(tmp_path)
    features = torch.randn(2, 12, 8)
    mask = torch.ones(2, 12, dtype=torch.int64)
    mask[0, 5:] = 0
    both = {"input_features": features, "attention_mask": mask}
    alone = {"input_features": features[:1, :5], "attention_mask": mask[:1, :5]}

    together, _ = answers(model, find_tap(model, both), both)
    by_itself, _ = answers(model, find_tap(model, alone), alone)

    torch.testing.assert_close(together[:1], by_itself, rtol=1e-4, atol=1e-5)


def test_an_image_encoder_is_pooled_by_its_pooler_only_if_that_was_trained(tmp_path: Path) -> None:
    inputs = {"pixel_values": torch.randn(2, 3, 8, 8)}
    seeded(vit_encoder).save_pretrained(tmp_path / "with")
    network = ViTModel(ViTConfig(**IMAGE), add_pooling_layer=False)
    network.save_pretrained(tmp_path / "without")

    seen = {}
    for name in ("with", "without"):
        model = Pretrained(tmp_path / name).load(tmp_path / name)
        seen[name], _ = answers(model, find_tap(model, inputs), inputs)

    with torch.no_grad():
        whole = ViTModel.from_pretrained(tmp_path / "with")(**inputs)
        bare = network.eval()(**inputs)
    torch.testing.assert_close(seen["with"], whole.pooler_output)
    torch.testing.assert_close(seen["without"], bare.last_hidden_state.mean(dim=1))
    fresh = Pretrained(tmp_path / "with").fresh().state_dict()
    assert "network.pooler.dense.weight" in fresh


def test_a_module_by_hand_goes_by_its_name_in_transformers(tmp_path: Path) -> None:
    seeded(vit).save_pretrained(tmp_path)
    blueprint = Pretrained(tmp_path)
    model, inputs = blueprint.load(tmp_path), {"pixel_values": torch.randn(2, 3, 8, 8)}

    assert find_tap(model, inputs, blueprint.module("classifier")).module == "network.classifier"
    assert blueprint.module("network.classifier") == "network.classifier"
    assert blueprint.module("auto") == "auto"


def test_only_norms_with_running_statistics_are_trained_as_such() -> None:
    network = Network(seeded(resnet)).train()
    training = {type(module).__name__ for module in network.network.modules() if module.training}
    assert training == {"BatchNorm2d"}
    assert network.training
    assert not any(module.training for module in network.eval().modules())

    inputs = {"pixel_values": torch.randn(3, 3, 8, 8)}
    dropping = Network(seeded(vit)).train()
    first, second = (dropping.ask(inputs)[0]["logits"] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_halves_are_computed_whole_and_written_as_halves(kind: torch.dtype, tmp_path: Path) -> None:
    network = seeded(resnet)
    nn.Module.to(network, kind)
    network.save_pretrained(tmp_path / "parent")
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "config.json").write_bytes(
        (tmp_path / "parent" / "config.json").read_bytes()
    )
    blueprint = Pretrained(tmp_path / "parent")
    model = blueprint.load(tmp_path / "parent")
    inputs: Inputs = {"pixel_values": torch.randn(2, 3, 8, 8)}
    for made in (model, blueprint.fresh()):
        assert {tensor.dtype for tensor in made.parameters()} == {torch.float32}
    with torch.no_grad():
        next(model.parameters()).add_(0.1)
    tap = find_tap(model, inputs)

    again = write_and_read_back(
        blueprint, model, tap, tmp_path / "parent", tmp_path / "target", inputs
    )

    before, after = (load_file(tmp_path / name / WEIGHTS) for name in ("parent", "target"))
    assert {n: t.dtype for n, t in before.items()} == {n: t.dtype for n, t in after.items()}
    loaded = ResNetForImageClassification.from_pretrained(tmp_path / "target")
    assert loaded.dtype == kind
    name = "resnet.embedder.embedder.convolution.weight"
    assert not torch.equal(before[name], after[name])
    # What is audited is what was rounded.
    assert torch.equal(again.state_dict()[f"network.{name}"].to(kind), after[name])


def test_tensors_keep_the_names_that_an_older_release_gave_them(tmp_path: Path) -> None:
    """Norms of weights are named otherwise today, and numbers of positions are not kept."""
    seeded(wav2vec2).save_pretrained(tmp_path / "model")
    tensors = load_file(tmp_path / "model" / WEIGHTS)
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert any(name.endswith("weight_g") for name in old)
    check_written_as_read(old, tmp_path / "model", tmp_path)

    seeded(bert_encoder).save_pretrained(tmp_path / "model")
    tensors = load_file(tmp_path / "model" / WEIGHTS)
    old = {**tensors, "embeddings.position_ids": torch.arange(32).unsqueeze(0)}
    check_written_as_read(old, tmp_path / "model", tmp_path)


def test_tensors_that_are_tied_are_written_once_or_twice_as_they_were(tmp_path: Path) -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(tmp_path / "model")
    tensors = load_file(tmp_path / "model" / WEIGHTS)
    assert "encoder.embed_tokens.weight" not in tensors
    check_written_as_read(tensors, tmp_path / "model", tmp_path)

    twice = {**tensors, "encoder.embed_tokens.weight": tensors["shared.weight"].clone()}
    check_written_as_read(twice, tmp_path / "model", tmp_path)


def check_written_as_read(tensors: dict[str, Tensor], directory: Path, place: Path) -> None:
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    (place / "target").mkdir(exist_ok=True)
    blueprint = Pretrained(directory)

    blueprint.write(blueprint.load(directory), directory, place / "target")

    written = load_file(place / "target" / WEIGHTS)
    assert set(written) == set(tensors)
    assert all(torch.equal(written[name], tensor) for name, tensor in tensors.items())
