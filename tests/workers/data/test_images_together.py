"""Small images of one size go through the model's processor together, and come out as if alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.workers.data.media import digits, save_config
from workers.data.errors import DatasetError
from workers.data.pretrained import PretrainedImages, of_one_size
from workers.data.processing import read_processing


def where(number: int) -> str:
    return f"Row {number}"


def pictures(count: int) -> list[Image.Image]:
    return [Image.fromarray(image).convert("RGB") for image in digits()[:count]]


def test_each_image_is_what_it_is_alone(tmp_path: Path) -> None:
    save_config(tmp_path)
    ViTImageProcessorPil(size={"height": 12, "width": 12}).save_pretrained(tmp_path)
    images = read_processing(tmp_path, {"image"}).images
    assert images is not None
    given = [*pictures(4), *(image.resize((9, 7)) for image in pictures(3)), *pictures(2)]

    together = images.batch(given, where)["pixel_values"]

    alone = [images.batch([image], where)["pixel_values"] for image in given]
    assert torch.equal(together, torch.cat(alone))
    assert len({row.numpy().tobytes() for row in together}) == 7


def test_a_processor_that_takes_several_images_for_one_gets_them_one_after_the_other() -> None:
    def process(images: list[Image.Image], return_tensors: str) -> dict[str, Any]:
        assert return_tensors == "pt"
        return {"pixel_values": torch.zeros(1, len(images), 3, 8, 8)}

    assert PretrainedImages(process).batch(pictures(3), where)["pixel_values"].shape[:2] == (3, 1)


def test_a_processor_that_makes_several_inputs_of_an_image_is_refused() -> None:
    def process(images: list[Image.Image], return_tensors: str) -> dict[str, Any]:
        assert return_tensors == "pt"
        return {"pixel_values": torch.zeros(4 * len(images), 6)}

    with pytest.raises(DatasetError, match=r"Row 0: .* or makes something else than one input"):
        PretrainedImages(process).batch(pictures(2), where)


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([(8, 8)] * 3, [3]),
        ([(8, 8), (8, 8), (8, 9), (8, 8)], [2, 1, 1]),
        ([(512, 512)] * 6, [4, 2]),
        # Never none, however large.
        ([(2000, 1000)] * 2, [1, 1]),
    ],
)
def test_only_small_images_of_one_size_go_together(
    sizes: list[tuple[int, int]], groups: list[int]
) -> None:
    images = [Image.new("RGB", size) for size in sizes]

    found = list(of_one_size(images))

    assert [len(group) for group in found] == groups
    assert [image for group in found for image in group] == images


def test_the_one_of_several_on_which_the_processor_fails_is_named() -> None:
    calls: list[int] = []

    def process(images: list[Image.Image], return_tensors: str) -> dict[str, Any]:
        calls.append(len(images))
        if any(image.getpixel((0, 0)) == (9, 9, 9) for image in images):
            raise ValueError(f"no {return_tensors} for this one")
        return {"pixel_values": torch.zeros(len(images), 3, 8, 8)}

    images = PretrainedImages(process)
    assert images.batch(pictures(5), where)["pixel_values"].shape == (5, 3, 8, 8)
    assert calls == [5]

    broken = Image.new("RGB", (8, 8), (9, 9, 9))
    with pytest.raises(DatasetError, match="Row 2: the model's image processor fails on its image"):
        images.batch([*pictures(2), broken, *pictures(1)], where)
