"""Image classifiers in the Hugging Face layout, over a column of arrays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from service.core.settings import Settings
from tests.workers.pretrained.training import accuracy, train
from tests.workers.runner.plans import run
from workers.plan import PretrainedArchitecture, Unlearned, UnlearnPlan, Validated, ValidatePlan

LABELS: dict[str, Any] = {"num_labels": 10}
PRETRAINED = PretrainedArchitecture(kind="transformers")


def resnet() -> ResNetForImageClassification:
    return ResNetForImageClassification(
        ResNetConfig(
            num_channels=1,
            embedding_size=16,
            hidden_sizes=[32, 64],
            depths=[1, 1],
            layer_type="basic",
            **LABELS,
        )
    )


def vit() -> ViTForImageClassification:
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=8,
            patch_size=2,
            num_channels=1,
            **LABELS,
        )
    )


@pytest.fixture
def images(digits: dict[str, Any]) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """What the network takes, its labels with 40 wrong ones among them, and which these are."""
    report = np.load(Path(urlsplit(digits["model"]).path).parent / "report.npz")
    labels = torch.from_numpy(report["train_labels"])
    wrong = torch.from_numpy(report["forgotten"])
    labels[wrong] = (labels[wrong] + 1) % 10
    pixels = torch.from_numpy(report["train_images"].astype("float32")) * digits["scale"]
    return {"pixel_values": pixels}, labels, wrong


@pytest.mark.parametrize("make", [resnet, vit])
def test_an_image_classifier_is_unlearned_and_loads_as_its_parent_did(
    make: Callable[[], PreTrainedModel],
    validation: ValidatePlan,
    unlearning: UnlearnPlan,
    images: tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor],
    quick: Settings,
    tmp_path: Path,
) -> None:
    inputs, labels, wrong = images
    torch.manual_seed(0)
    parent = train(make(), inputs, labels, steps=300)
    parent.save_pretrained(tmp_path / "registered")
    plan = validation.model_copy(
        update={
            "source_uri": (tmp_path / "registered").as_uri(),
            "architecture": PRETRAINED,
            "staging": tmp_path / "first",
        }
    )

    first = run(plan, quick, tmp_path / "looking")

    assert isinstance(first, Validated)
    told = json.loads((plan.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert told["architecture"]["class"] == type(parent).__name__
    assert told["classes"] == 10
    lineage = unlearning.lineage.model_copy(update={"parent_digest": first.written.digest})
    job = unlearning.model_copy(
        update={
            "lineage": lineage,
            "parent": plan.staging,
            "architecture": PRETRAINED,
            "method": "redirect",
            "parameters": {},
            "staging": tmp_path / "second",
        }
    )

    second = run(job, quick, tmp_path / "work")

    assert isinstance(second, Unlearned)
    assert second.passed
    before, after = (
        load_file(place / "model.safetensors") for place in (tmp_path / "registered", job.staging)
    )
    assert {name: (t.shape, t.dtype) for name, t in before.items()} == {
        name: (t.shape, t.dtype) for name, t in after.items()
    }
    published = AutoModelForImageClassification.from_pretrained(job.staging)
    some = {"pixel_values": inputs["pixel_values"][wrong]}
    known = accuracy(parent, some, labels[wrong])
    assert accuracy(published, some, labels[wrong]) <= known / 2 if known > 0.5 else known < 0.5
