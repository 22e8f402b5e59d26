"""Which inputs are alike, by numbers derived by hand and by real data."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.workers.pretrained.data import RATE
from workers.unlearning.features import (
    BUCKETS,
    WINDOW,
    Block,
    averaged,
    counted,
    features,
    over_time,
    spectrum,
)


def test_large_images_are_averaged_over_fields_and_small_ones_are_not() -> None:
    """A field of 2 x 2 pixels with 1, 2, 3 and 4 has a mean of 2.5."""
    fields = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(16, 16)
    assert torch.equal(averaged(fields[None, None]), torch.full((1, 256), 2.5))
    small = torch.rand(2, 3, 8, 8)
    assert torch.equal(averaged(small), small.flatten(start_dim=1))
    assert averaged(torch.rand(2, 3, 300, 200)).shape == (2, 3 * 16 * 16)
    assert averaged(torch.rand(1, 2000, 9, 9)).shape == (1, 81)


def test_tokens_are_counted_without_their_order_and_without_padding() -> None:
    tokens = torch.tensor([[7, 9, 7, 0], [9, 7, 7, 3]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0]])
    found = counted(tokens, mask)
    assert torch.equal(found[0], found[1])
    assert sorted(found[0][found[0] > 0].tolist()) == [1.0, 2.0]
    # Without a mask, everything counts.
    assert counted(tokens, None).sum(dim=1).tolist() == [4.0, 4.0]


def test_token_ids_next_to_each_other_share_no_bucket_more_often_than_by_chance() -> None:
    """Of 500 balls in 1,024 urns, 395 urns are hit on average; a bad hash would hit far fewer."""
    for step in (1, 2, 64, 1024):
        hit = int((counted(step * torch.arange(500)[None], None) > 0).sum())
        assert hit > 380, step


def test_a_tone_is_known_by_its_frequency_and_not_by_its_length_or_padding() -> None:
    def tone(hertz: int, length: int, room: int) -> tuple[Tensor, Tensor]:
        wave = torch.sin(2 * math.pi * hertz / RATE * torch.arange(length))
        padded = torch.nn.functional.pad(wave, (0, room - length))
        return padded, (torch.arange(room) < length).long()

    waves, masks = zip(tone(200, 300, 900), tone(200, 900, 900), tone(280, 300, 900), strict=True)
    found = spectrum(torch.stack(waves), torch.stack(masks))
    assert found.shape == (3, WINDOW // 2 + 1)
    # How long a tone is changes the side lobes of its ends, far below the peak.
    loud = found.exp()
    assert (loud[0] - loud[1]).norm() < 0.3 * (loud[0] - loud[2]).norm()
    peak = int(loud[1].argmax())
    assert peak == round(200 / RATE * WINDOW)
    # What is shorter than a window is heard too.
    assert int(spectrum(waves[1][None, :100], None).argmax()) in (peak - 1, peak, peak + 1)


def test_a_sound_is_told_alike_however_far_it_is_padded() -> None:
    waves = torch.randn(2, 300, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 300, dtype=torch.int64)
    alone = spectrum(waves, mask)
    for room in (1, 100, 600):
        padded = (torch.nn.functional.pad(one, (0, room)) for one in (waves, mask))
        torch.testing.assert_close(spectrum(*padded), alone)


def test_frames_are_told_without_their_padding() -> None:
    """Frames 1 and 3 have a mean of 2 and a deviation of 1."""
    frames = torch.tensor([[[1.0], [3.0]]])
    padded = torch.tensor([[[1.0], [3.0], [9.0]]])
    alone = over_time(frames, torch.tensor([[1, 1]]))
    assert alone.tolist() == [[2.0, 1.0]]
    assert torch.equal(over_time(padded, torch.tensor([[1, 1, 0]])), alone)


def test_inputs_of_all_kinds_have_the_columns_of_their_kind() -> None:
    text = {"input_ids": torch.ones(2, 5, dtype=torch.int64)}
    mask = {"attention_mask": torch.ones(2, 5, dtype=torch.int64)}
    pixels = {"pixel_values": torch.rand(2, 3, 8, 8)}
    assert features(torch.rand(2, 7))[1] == (Block("numbers", 7),)
    assert features(torch.rand(2, 1, 28, 28))[1] == (Block("pixels", 256),)
    assert features(torch.rand(2, 4000))[1] == (Block("spectrum", WINDOW // 2 + 1),)
    assert features({"input_values": torch.rand(2, 400)})[1][0].kind == "spectrum"
    told, blocks = features({**pixels, **text, **mask})
    assert blocks == (Block("pixels", 192), Block("tokens", BUCKETS))
    assert told.shape == (2, 192 + BUCKETS)
    # Of what nothing is known, nothing is told.
    told, blocks = features({"token_type_ids": torch.zeros(2, 5, dtype=torch.int64)})
    assert (told.shape, blocks) == ((2, 0), ())
    assert features({"input_features": torch.rand(2, 5, 4), **mask})[1] == (Block("numbers", 8),)


@pytest.mark.parametrize("longest", [24, 60])
def test_columns_do_not_depend_on_how_a_batch_is_padded(longest: int) -> None:
    random = np.random.default_rng(0)
    rows = torch.from_numpy(random.integers(5, 500, (3, 20)))
    short = {"input_ids": rows, "attention_mask": torch.ones_like(rows)}
    room = (0, longest - 20)
    long = {name: torch.nn.functional.pad(tensor, room) for name, tensor in short.items()}
    assert torch.equal(features(short)[0], features(long)[0])
