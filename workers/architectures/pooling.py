"""From what an encoder says of every token, patch or frame to one representation a sample."""

from typing import Any

import torch
from torch import Tensor

from workers.architectures.base import ArchitectureError


def pool_tokens(states: Tensor, mask: Tensor, mode: str, skipped: int = 0) -> Tensor:
    """States (b, l, d) and a mask (b, l) of ones where there is a token -> (b, d).

    So many tokens at the beginning of each text are `skipped`.
    """
    places = torch.arange(mask.shape[1], device=mask.device) - mask.long().argmax(1, keepdim=True)
    read = mask * (places >= skipped) if skipped else mask
    rows, there = torch.arange(len(states), device=states.device), read.to(states.dtype)
    match mode:
        case "cls":
            return states[rows, read.long().argmax(dim=1)]
        case "lasttoken":
            last = read.shape[1] - 1 - read.flip(1).long().argmax(dim=1)
            return (states * there.unsqueeze(-1))[rows, last]
        case "max":
            return states.masked_fill(there.unsqueeze(-1) == 0, -torch.inf).max(dim=1).values
        case "weightedmean":
            there = there * (places + 1)
    total, count = (states * there.unsqueeze(-1)).sum(dim=1), there.sum(dim=1, keepdim=True)
    root = count.sqrt() if mode == "mean_sqrt_len_tokens" else count
    return total / root.clamp(min=1e-9)


def frame_mask(mask: Tensor, frames: int, config: Any) -> Tensor:
    """A mask (b, l) over samples of sound -> (b, frames) over what the convolutions leave of it.

    Raises:
        ArchitectureError: the network's frames are not what its convolutions alone would make.
    """
    lengths = mask.long().sum(dim=1)
    longest = mask.shape[1]
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
        longest = (longest - kernel) // stride + 1
    if longest != frames:
        raise ArchitectureError(
            f"The network makes {frames} frames where its convolutions make {longest}: name the "
            "module whose output is the representation."
        )
    places = torch.arange(frames, device=mask.device)
    return (places < lengths.clamp(min=1).unsqueeze(1)).long()


def pool_positions(states: Tensor) -> Tensor:
    """The mean over patches (b, n, d) or over a feature map (b, d, h, w) -> (b, d)."""
    return states.mean(dim=1) if states.ndim == 3 else states.flatten(start_dim=2).mean(dim=2)
