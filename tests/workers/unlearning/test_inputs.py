"""Batches of one tensor and of several."""

import torch

from workers.unlearning.inputs import channels_last, count, join, to


def test_one_tensor_is_joined_end_to_end() -> None:
    joined = join([torch.zeros(2, 3), torch.ones(1, 3)])

    assert isinstance(joined, torch.Tensor)
    assert torch.equal(joined, torch.tensor([[0.0] * 3] * 2 + [[1.0] * 3]))
    assert count(joined) == 3


def test_shorter_texts_are_padded_to_the_longest() -> None:
    short = {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.tensor([[1, 1]])}
    long = {"input_ids": torch.tensor([[7, 8, 9]]), "attention_mask": torch.tensor([[1, 1, 1]])}

    joined = join([short, long])

    assert isinstance(joined, dict)
    assert joined["input_ids"].tolist() == [[5, 6, 0], [7, 8, 9]]
    assert joined["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert count(joined) == 2


def test_images_alone_are_laid_out_by_channel() -> None:
    moved = channels_last(to({"pixels": torch.rand(2, 3, 4, 4), "mask": torch.ones(2, 3)}, CPU))

    assert isinstance(moved, dict)
    assert moved["pixels"].is_contiguous(memory_format=torch.channels_last)
    assert moved["mask"].is_contiguous()


CPU = torch.device("cpu")
