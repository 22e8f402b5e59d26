"""What can be told of an input without any network: pixels, tokens, spectra, plain numbers.

These features say which inputs are alike, and no sample has had a part in how they are computed.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from workers.unlearning.inputs import DECIDED, Inputs

Kind = Literal["pixels", "tokens", "spectrum", "numbers"]

# Features of one tensor, at most: what is wider is averaged, or told by its spectrum.
MOST = 1024
# The side of the largest image that is not averaged.
SIDE = 16
# Tokens are counted by hash. The factor is Knuth's, the golden ratio in 32 bits.
BUCKETS, FACTOR, BITS = 1024, 2654435761, 32
# Samples of a waveform in a window; half of them lie in the next window as well.
WINDOW = 256
SILENCE = 1e-10
MASK, TOKENS, WAVEFORM = "attention_mask", "input_ids", "input_values"


@dataclass(frozen=True)
class Block:
    """Some columns of the features, which are of one kind."""

    kind: Kind
    width: int


def features(inputs: Inputs) -> tuple[Tensor, tuple[Block, ...]]:
    """Inputs of b samples on the CPU -> features (b, f) in float32, and what their columns are.

    Which columns there are depends on the kind of the inputs alone, not on how a batch is padded;
    frames without a mask are taken for images, which have one size. A tensor that nothing is known
    about has no columns, and f can be 0.
    """
    named = inputs if isinstance(inputs, dict) else {"": inputs}
    mask = named.get(MASK)
    if DECIDED in named:
        named = {TOKENS: around(named[TOKENS], mask, named[DECIDED])}
        mask = None
    found = [
        part for name, tensor in named.items() if (part := _of(name, tensor, mask)) is not None
    ]
    if not found:
        return torch.empty(len(next(iter(named.values()))), 0), ()
    blocks = tuple(Block(kind, columns.shape[1]) for kind, columns in found)
    return torch.cat([columns for _, columns in found], dim=1), blocks


def _of(name: str, tensor: Tensor, mask: Tensor | None) -> tuple[Kind, Tensor] | None:
    if not tensor.is_floating_point():
        return ("tokens", counted(tensor, mask)) if name == TOKENS else None
    numbers = tensor.float()
    if numbers.ndim == 3 and mask is not None and mask.shape == numbers.shape[:2]:
        return "numbers", over_time(numbers, mask)
    if numbers.ndim in (3, 4):
        return "pixels", averaged(numbers if numbers.ndim == 4 else numbers.unsqueeze(1))
    if numbers.ndim != 2:
        return None
    if name == WAVEFORM or numbers.shape[1] > MOST:
        return "spectrum", spectrum(numbers, mask)
    return "numbers", numbers


def averaged(images: Tensor) -> Tensor:
    """Images (b, c, h, w) as means over a grid of 16 x 16 fields, or fewer -> (b, f)."""
    channels = images.shape[1]
    if channels > MOST:
        images, channels = images.mean(dim=1, keepdim=True), 1
    side = min(SIDE, int((MOST / channels) ** 0.5))
    grid = min(side, images.shape[2]), min(side, images.shape[3])
    return functional.adaptive_avg_pool2d(images, grid).flatten(start_dim=1)


def over_time(frames: Tensor, mask: Tensor) -> Tensor:
    """Mean and deviation of each feature of frames (b, t, m) that are no padding -> (b, 2 m)."""
    weights = (mask.float() / mask.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(2)
    mean = (frames * weights).sum(dim=1)
    apart = (frames - mean.unsqueeze(1)).square() * weights
    return torch.cat([mean, apart.sum(dim=1).sqrt()], dim=1)


def counted(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """How often token IDs (b, t) of each hash are there, those that are masked left out -> (b, f).

    Counts and not yet weights, because how rare a token is shows only in many samples.
    """
    buckets = ((tokens.long() * FACTOR) % 2**BITS) * BUCKETS // 2**BITS
    there = torch.ones_like(tokens) if mask is None or mask.shape != tokens.shape else mask
    counts = torch.zeros(len(tokens), BUCKETS)
    return counts.scatter_add_(1, buckets, there.float())


def around(tokens: Tensor, mask: Tensor | None, number: Tensor) -> Tensor:
    """Of the token (b,) of rows (b, t) that is decided about: itself and its neighbours -> (b, 4).

    `number` counts from the first token that is no padding. It is there twice, and on either side
    a token counts as another one than in the middle; 0 is none.
    """
    there = torch.ones_like(tokens) if mask is None else mask
    counted_from = there.int().argmax(dim=1)
    wide = functional.pad(tokens * there, (1, 1))
    places = (counted_from + number).unsqueeze(1) + torch.arange(3)
    before, own, after = (wide.gather(1, places) + 1).unbind(dim=1)
    return torch.stack([3 * own, 3 * own, 3 * before + 1, 3 * after + 2], dim=1)


def spectrum(waveforms: Tensor, mask: Tensor | None) -> Tensor:
    """The logarithm of each frequency's mean power in waveforms (b, t), padding left out -> (b, f).

    Windows of 256 samples that overlap by half, after Welch (IEEE Transactions on Audio and
    Electroacoustics 15, 1967).
    """
    # So that every sample lies in a window, whatever it is padded to.
    room = (0, WINDOW)
    heard = mask if mask is not None and mask.shape == waveforms.shape else waveforms != 0
    windows = functional.pad(waveforms, room).unfold(1, WINDOW, WINDOW // 2)
    sounding = functional.pad(heard.float(), room).unfold(1, WINDOW, WINDOW // 2).mean(dim=2)
    power = torch.fft.rfft(windows * torch.hann_window(WINDOW)).abs().square()
    # A window counts by how much of it is no padding.
    weights = sounding / sounding.sum(dim=1, keepdim=True).clamp(min=SILENCE)
    told: Tensor = ((power * weights.unsqueeze(2)).sum(dim=1) + SILENCE).log()
    return told
