"""From what an encoder says of every token, patch or frame to one representation a sample."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workers.architectures.base import ArchitectureError

SENTENCE_POOLING = Path("1_Pooling", "config.json")
MODULES = "modules.json"
# What sentence-transformers may put behind a network without bringing weights of its own.
WEIGHTLESS = {"Transformer", "Pooling", "Normalize"}
MODES = ("cls", "lasttoken", "max", "mean")


def pooling_mode(directory: Path) -> str:
    """What `1_Pooling/config.json` of sentence-transformers says, or "mean" if there is none.

    Raises:
        ArchitectureError: it asks for what is not done here, or other parts have weights.
    """
    path = directory / MODULES
    parts = _read(path) if path.is_file() else []
    kinds = [str(part.get("type", "")).rsplit(".", 1)[-1] for part in parts]
    unknown = sorted(set(kinds) - WEIGHTLESS)
    if unknown:
        raise ArchitectureError(
            f"{MODULES} names {', '.join(unknown)}: only {', '.join(sorted(WEIGHTLESS))} have no "
            "weights beside the network's."
        )
    path = directory / SENTENCE_POOLING
    if not path.is_file():
        return "mean"
    said = _read(path)
    modes = said.get("pooling_mode") or [
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, chosen in said.items()
        if name.startswith("pooling_mode_") and chosen is True
    ]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in MODES:
        raise ArchitectureError(
            f"{SENTENCE_POOLING} asks for {modes or 'no pooling'}: one of {', '.join(MODES)} "
            "can be done."
        )
    return str(modes[0])


def pool_tokens(states: Tensor, mask: Tensor, mode: str) -> Tensor:
    """States (b, l, d) and a mask (b, l) of ones where there is a token -> (b, d)."""
    there = mask.to(states.dtype).unsqueeze(-1)
    if mode == "cls":
        first = mask.long().argmax(dim=1)
        return states[torch.arange(len(states), device=states.device), first]
    if mode == "lasttoken":
        last = mask.shape[1] - 1 - mask.flip(1).long().argmax(dim=1)
        return states[torch.arange(len(states), device=states.device), last]
    if mode == "max":
        return states.masked_fill(there == 0, -torch.inf).max(dim=1).values
    return (states * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


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


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArchitectureError(f"{path.name} is not JSON: {error}") from error
