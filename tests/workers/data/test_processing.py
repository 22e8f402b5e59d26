"""Batches by a model's own processors, and plain ones for a network from a factory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    RobertaConfig,
    RobertaModel,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.workers.data.media import digits, save_config, save_tokenizer, texts, tone
from workers.data.errors import DatasetError
from workers.data.processing import Processing, raw_processing, read_processing
from workers.data.readers import Texts
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, TextSpec
from workers.unlearning.inputs import Inputs, join

ARRAY, IMAGE = ArraySpec("p", (2,), 0.5), ImageSpec("image")
TEXT, SOUND = TextSpec("text"), AudioSpec("sound", 8000)


def where(number: int) -> str:
    return f"Row {number}"


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    inputs: list[Inputs] = [*parts]
    both = join(inputs)
    assert isinstance(both, dict)
    return both


def pictures() -> list[Image.Image]:
    return [Image.fromarray(image).convert("RGB") for image in digits()[:3]]


def images_of(processing: Processing, images: list[Image.Image]) -> dict[str, Tensor]:
    assert processing.images is not None
    return processing.images.batch(images, where)


def test_a_factory_gets_pixels_from_0_to_1() -> None:
    (tensor,) = images_of(raw_processing(), pictures()).values()

    assert (tensor.shape, tensor.dtype) == ((3, 3, 8, 8), torch.float32)
    assert torch.equal(tensor[:, 1], torch.from_numpy(digits()[:3] / 255).float())


def test_a_factory_gets_images_of_one_size() -> None:
    images = [*pictures(), pictures()[0].resize((8, 9))]

    with pytest.raises(DatasetError, match="Row 3 holds an image of 8 x 9 pixels"):
        images_of(raw_processing(), images)


def test_a_factory_gets_waveforms_of_one_length() -> None:
    sounds = raw_processing().sounds
    assert sounds is not None

    (tensor,) = sounds.batch([tone(440, 0.1), tone(440, 0.2)], 2000).values()

    assert tensor.shape == (2, 2000)
    assert torch.equal(tensor[0, :800], torch.from_numpy(tone(440, 0.1)))
    assert not tensor[0, 800:].any()


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        ([TEXT], "nothing that reads text, which the column text holds"),
        ([IMAGE, SOUND], "2 input columns, and a network from a factory takes one"),
    ],
)
def test_a_factory_takes_no_text_and_no_pairs(specs: list[InputSpec], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        raw_processing().readers(specs)


def test_arrays_are_scaled_and_go_in_under_the_main_name(tmp_path: Path) -> None:
    (reader,) = read_processing(tmp_path, {"array"}, "values").readers([ARRAY])
    (bare,) = raw_processing().readers([ARRAY])

    batch = reader.batch(np.array([[2, 4]], np.uint8))  # type: ignore[call-arg, arg-type]

    assert batch["values"].tolist() == [[1.0, 2.0]]
    assert bare.name == ""  # type: ignore[union-attr]


def tokenizer(directory: Path, **given: object) -> Texts:
    save_config(directory)
    save_tokenizer(directory, **given)
    found = read_processing(directory, {"text"}).texts
    assert found is not None
    return found


def test_texts_become_tokens_and_masks(tmp_path: Path) -> None:
    reader = tokenizer(tmp_path, model_max_length=64)
    tokens = reader.encode([texts()[0], texts()[-1], texts()[5]])
    lengths = [len(row) for row in tokens]

    batch = reader.batch(tokens, 64)

    assert lengths[1] == 64
    assert (tokens[1][0], tokens[1][-1]) == (2, 3)  # [CLS] and [SEP] are kept.
    assert set(batch) == {"input_ids", "attention_mask"}
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert batch["attention_mask"].sum(1).tolist() == lengths
    for ids, mask, row in zip(batch["input_ids"], batch["attention_mask"], tokens, strict=True):
        assert ids[mask.bool()].tolist() == row.tolist()
        assert not ids[~mask.bool()].any()


def test_the_tokens_are_those_of_the_tokenizer_itself(tmp_path: Path) -> None:
    reader = tokenizer(tmp_path, model_input_names=["input_ids", "token_type_ids"])
    some = [*texts()[:5], texts()[-1]]
    wanted = reader.tokenizer(  # type: ignore[attr-defined]
        some,
        truncation=True,
        max_length=512,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=True,
        return_attention_mask=True,
    )

    batch = reader.batch(reader.encode(some), 512)

    assert set(batch) == set(wanted)
    assert all(torch.equal(batch[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("given", "positions", "limit"),
    [
        ({"model_max_length": 40}, 50, 40),
        # More than the network has positions for would end a job.
        ({"model_max_length": 40}, 20, 20),
        ({"model_max_length": 40}, None, 40),
        ({}, 20, 20),
        ({}, 4096, 512),
        ({}, None, 512),
    ],
)
def test_texts_are_cut_at_the_limit_of_the_model(
    tmp_path: Path, given: dict[str, int], positions: int | None, limit: int
) -> None:
    save_tokenizer(tmp_path, **given)
    save_config(tmp_path, **({"max_position_embeddings": positions} if positions else {}))
    reader = read_processing(tmp_path, {"text"}).texts
    assert reader is not None

    assert len(reader.encode(["word " * 1000])[0]) == limit


def test_positions_that_are_counted_from_the_padding_token_are_fewer(tmp_path: Path) -> None:
    config = RobertaConfig(
        vocab_size=500,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=20,
    )
    save_tokenizer(tmp_path)
    config.save_pretrained(tmp_path)
    reader = read_processing(tmp_path, {"text"}).texts
    assert reader is not None

    batch = reader.batch(reader.encode(["word " * 1000]), 512)

    assert batch["input_ids"].shape[1] == 18
    # No padding: all of the positions are used.
    tokens = batch["input_ids"].clamp(2, 499)
    assert torch.isfinite(RobertaModel(config)(tokens).last_hidden_state).all()


@pytest.mark.parametrize(
    "given", [{}, {"pad_token": "[UNK]"}, {"padding_side": "left"}], ids=["bert", "roberta", "gpt"]
)
def test_joined_batches_are_padded_as_one(tmp_path: Path, given: dict[str, str]) -> None:
    """`join` puts zeros behind: that must never be taken for a text, nor end where none ends."""
    reader = tokenizer(tmp_path, model_max_length=64, **given)
    tokens = reader.encode([texts()[0], texts()[40], texts()[-1]])
    longest = max(map(len, tokens))

    both = joined([reader.batch(tokens[:1], longest), reader.batch(tokens[1:], longest)])
    whole = reader.batch(tokens, longest)

    assert all(torch.equal(both[name], whole[name]) for name in whole)


def test_images_go_through_the_models_processor(tmp_path: Path) -> None:
    save_config(tmp_path)
    ViTImageProcessorPil(size={"height": 12, "width": 12}).save_pretrained(tmp_path)

    batch = images_of(read_processing(tmp_path, {"image"}), [*pictures(), Image.new("RGB", (5, 9))])

    assert set(batch) == {"pixel_values"}
    assert (batch["pixel_values"].shape, batch["pixel_values"].dtype) == (
        (4, 3, 12, 12),
        torch.float32,
    )
    assert torch.allclose(batch["pixel_values"][3], torch.tensor(-1.0))


def test_a_processor_that_keeps_sizes_is_refused_for_images_of_several(tmp_path: Path) -> None:
    save_config(tmp_path)
    ViTImageProcessorPil(do_resize=False).save_pretrained(tmp_path)
    processing = read_processing(tmp_path, {"image"})
    assert images_of(processing, pictures())["pixel_values"].shape == (3, 3, 8, 8)

    with pytest.raises(DatasetError, match=r"Row 3: its image is .* have it resize or crop"):
        images_of(processing, [*pictures(), Image.new("RGB", (5, 9))])


def test_sounds_go_through_the_models_extractor(tmp_path: Path) -> None:
    save_config(tmp_path)
    Wav2Vec2FeatureExtractor(sampling_rate=4000, return_attention_mask=True).save_pretrained(
        tmp_path
    )
    sounds = read_processing(tmp_path, {"audio"}).sounds
    assert sounds is not None
    assert sounds.sampling_rate == 4000
    waves = [tone(440, 0.1, 4000), tone(300, 0.2, 4000)]

    batch = sounds.batch(waves, 10_000)
    both = joined([sounds.batch(waves[:1], 10_000), sounds.batch(waves[1:], 10_000)])

    assert set(batch) == {"input_values", "attention_mask"}
    assert batch["input_values"].shape == (2, 800)
    assert batch["attention_mask"].sum(1).tolist() == [400, 800]
    assert not batch["input_values"][0, 400:].any()
    assert abs(batch["input_values"][0, :400].std().item() - 1) < 0.01
    assert all(torch.allclose(both[name], batch[name], atol=1e-5) for name in batch)


def test_an_extractor_of_fixed_length_keeps_its_length(tmp_path: Path) -> None:
    save_config(tmp_path)
    WhisperFeatureExtractor(feature_size=8, chunk_length=2).save_pretrained(tmp_path)
    sounds = read_processing(tmp_path, {"audio"}).sounds
    assert sounds is not None

    batch = sounds.batch([tone(440, 0.5, 16000), tone(440, 5, 16000)], 80_000)

    assert batch["input_features"].shape == (2, 8, 200)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("text", "tokenizer.json"),
        ("image", "preprocessor_config.json"),
        ("audio", "preprocessor_config.json"),
    ],
)
def test_what_a_directory_lacks_or_breaks_is_named(tmp_path: Path, kind: str, file: str) -> None:
    save_config(tmp_path)
    with pytest.raises(DatasetError, match=f"has no {file}"):
        read_processing(tmp_path, {kind})

    (tmp_path / file).write_text('{"image_processor_type": "Nothing"}')
    with pytest.raises(DatasetError, match="cannot be read") as refused:
        read_processing(tmp_path, {kind})
    assert str(tmp_path) not in str(refused.value)


def test_code_in_a_directory_is_not_run(tmp_path: Path) -> None:
    save_config(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('run')\nclass Evil: ...\n")
    (tmp_path / "preprocessor_config.json").write_text(
        '{"auto_map": {"AutoImageProcessor": "evil.Evil", "AutoFeatureExtractor": "evil.Evil"}}'
    )

    for kind in ("image", "audio"):
        with pytest.raises(DatasetError, match="cannot be read"):
            read_processing(tmp_path, {kind})


def test_a_tokenizer_without_a_padding_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no padding token"):
        tokenizer(tmp_path, pad_token=None)


def test_what_a_model_has_no_part_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing that reads audio"):
        read_processing(tmp_path, set()).readers([SOUND])
