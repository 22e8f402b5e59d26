"""Sets of images, texts and sounds, from files to batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.workers.data.media import (
    digits,
    encoded_sound,
    pngs,
    save_config,
    save_tokenizer,
    structs,
    texts,
    tone,
)
from tests.workers.runner.networks import picture_net
from tests.workers.runner.plans import indexed, refusal, registration, run
from workers.data.errors import DatasetError
from workers.data.processing import raw_processing, read_processing
from workers.data.specs import AudioSpec, ImageSpec, InputSpec, TextSpec
from workers.plan import Architecture, DataPlan, Validated, ValidatePlan
from workers.runner.loading import Sets, first_batch, load_sets
from workers.unlearning.inputs import join

IMAGE, TEXT, SOUND = ImageSpec("image"), TextSpec("text"), AudioSpec("sound", 8000)


def plan_of(directory: Path, inputs: list[InputSpec], **columns: Any) -> DataPlan:
    """Two files to train on, and the last rows as held-out ones; indexed."""
    rows = len(next(iter(columns.values())))
    table = pa.table({"sample_id": [f"patient-{row}" for row in range(rows)], **columns})
    for name, part in {
        "train/a": table.slice(0, rows // 3),
        "train/b": table.slice(rows // 3, rows // 3),
        "holdout/a": table.slice(rows // 3 * 2),
    }.items():
        path = directory / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(part, path)
    return indexed((directory / "train").as_uri(), (directory / "holdout").as_uri(), inputs)


def load(data: DataPlan, work: Path, processing: Any) -> Sets:
    work.mkdir(exist_ok=True)
    return load_sets(data, np.array([1, 4]), np.array([0, 1, 4]), work, processing)


def bare(inputs: Any) -> Tensor:
    assert isinstance(inputs, Tensor)
    return inputs


def test_images_for_a_factory(tmp_path: Path) -> None:
    data = plan_of(tmp_path, [IMAGE], image=structs(pngs(9)))

    sets = load(data, tmp_path / "work", raw_processing())

    assert sets.holdout is not None
    assert [len(one) for one in (sets.remaining, sets.forgotten, sets.holdout)] == [3, 2, 3]
    for samples, rows in (
        (sets.remaining, [2, 3, 5]),
        (sets.forgotten, [1, 4]),
        (sets.holdout, [6, 7, 8]),
    ):
        batch = bare(samples.batch(torch.arange(len(rows))))
        assert torch.equal(batch[:, 0], torch.from_numpy(digits()[rows] / 255).float())
    assert bare(first_batch(data, raw_processing())).shape == (3, 3, 8, 8)


def test_sounds_for_a_factory_have_one_length_in_all_sets(tmp_path: Path) -> None:
    """Batches of the remaining and of the forgotten samples are joined."""
    waves = [tone(440, seconds) for seconds in (0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.1, 0.4, 0.1)]
    data = plan_of(tmp_path, [SOUND], sound=pa.array([encoded_sound(wave) for wave in waves]))

    sets = load(data, tmp_path / "work", raw_processing())

    one, other = sets.remaining.batch(torch.tensor([0])), sets.forgotten.batch(torch.tensor([1]))
    assert bare(join([one, other])).shape == (2, 3200)


def test_pairs_for_a_model_with_processors_of_its_own(tmp_path: Path) -> None:
    model = tmp_path / "model"
    save_config(model)
    save_tokenizer(model, model_max_length=16)
    ViTImageProcessorPil(size={"height": 12, "width": 12}).save_pretrained(model)
    processing = read_processing(model, {"image", "text"})
    some = list(texts()[:9])
    data = plan_of(tmp_path, [IMAGE, TEXT], image=structs(pngs(9)), text=pa.array(some))

    sets = load(data, tmp_path / "work", processing)
    batch = sets.forgotten.batch(torch.tensor([1, 0]))

    assert isinstance(batch, dict)
    assert set(batch) == {"pixel_values", "input_ids", "attention_mask"}
    assert batch["pixel_values"].shape == (2, 3, 12, 12)
    assert processing.texts is not None
    for number, row in enumerate((4, 1)):
        (tokens,) = processing.texts.encode([some[row]])
        kept = batch["attention_mask"][number].bool()
        assert batch["input_ids"][number][kept].tolist() == tokens.tolist()
    first = first_batch(data, processing)
    assert isinstance(first, dict)
    assert len(first["pixel_values"]) == len(first["input_ids"]) == 3


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [(5, "Row 5: the image in image"), (7, "Held-out row 1: the image in image")],
)
def test_a_broken_image_is_named_when_it_is_read(
    tmp_path: Path, broken: int, sentence: str
) -> None:
    images = list(pngs(9))
    images[broken] = b"patient-17 was here"
    data = plan_of(tmp_path, [IMAGE], image=structs(images))

    sets = load(data, tmp_path / "work", raw_processing())

    assert sets.holdout is not None
    samples = sets.remaining if broken < 6 else sets.holdout
    with pytest.raises(DatasetError, match=sentence) as refused:
        samples.batch(torch.arange(3))
    assert "patient" not in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [(4, "Row 4: the sound in sound"), (8, "Held-out row 2: the sound in sound")],
)
def test_a_broken_sound_is_named_while_it_is_copied(
    tmp_path: Path, broken: int, sentence: str
) -> None:
    sounds = [encoded_sound(tone(440, 0.1))] * 9
    sounds[broken] = b"patient-17 was here"
    data = plan_of(tmp_path, [SOUND], sound=pa.array(sounds))

    with pytest.raises(DatasetError, match=sentence):
        load(data, tmp_path / "work", raw_processing())


def validation(tmp_path: Path, data: DataPlan) -> ValidatePlan:
    source = tmp_path / "model"
    source.mkdir()
    save_file(picture_net().state_dict(), source / "model.safetensors")
    factory = "tests.workers.runner.networks:picture_net"
    architecture = Architecture(kind="module", factory=factory, kwargs={})
    return registration(source.as_uri(), architecture, data, tmp_path / "staging")


def test_a_factory_for_images_is_registered(tmp_path: Path) -> None:
    plan = validation(tmp_path, plan_of(tmp_path, [IMAGE], image=structs(pngs(9))))

    outcome = run(plan, tmp_path / "work")

    assert isinstance(outcome, Validated)
    card = (plan.staging / "README.md").read_text("utf-8")
    assert "the column `image` (image)" in card


def test_a_broken_image_ends_a_run_as_a_refusal(tmp_path: Path) -> None:
    images = [pngs(1)[0], b"patient-17 was here", *pngs(7)]
    data = plan_of(tmp_path, [IMAGE], image=structs(images))

    reason = refusal(validation(tmp_path, data), tmp_path / "work")

    assert reason.startswith("Row 1: the image in image cannot be decoded")
