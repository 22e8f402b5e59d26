"""What a network is given: one tensor, or several of them by name.

A network from a factory takes one tensor (b, ...). Text, audio and pairs need several, such as
token IDs and the mask that says which of them are padding.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

# The number of the token that is decided about, where a sample is a token of a row.
DECIDED = "decided_token"

Inputs: TypeAlias = Tensor | dict[str, Tensor]


def count(inputs: Inputs) -> int:
    """How many samples there are."""
    return len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))


def to(inputs: Inputs, device: torch.device) -> Inputs:
    """The same on the device."""
    return _each(inputs, lambda tensor: tensor.to(device))


def first_of(inputs: Inputs, size: int) -> Inputs:
    """The first samples."""
    return _each(inputs, lambda tensor: tensor[:size])


def channels_last(inputs: Inputs) -> Inputs:
    """Images (b, c, h, w) with their channels next to each other; anything else as it is."""
    return _each(
        inputs,
        lambda tensor: (
            tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        ),
    )


def join(parts: list[Inputs]) -> Inputs:
    """One batch after the other. What is shorter than the longest is padded with zeros."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    return {
        name: _stack([part[name] for part in parts if isinstance(part, dict)]) for name in first
    }


def _stack(tensors: list[Tensor]) -> Tensor:
    if tensors[0].ndim < 2:
        return torch.cat(tensors)
    longest = max(tensor.shape[1] for tensor in tensors)

    def padded(tensor: Tensor) -> Tensor:
        behind = [0, 0] * (tensor.ndim - 2) + [0, longest - tensor.shape[1]]
        return functional.pad(tensor, behind)

    return torch.cat([padded(tensor) for tensor in tensors])


def _each(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, dict):
        return {name: change(tensor) for name, tensor in inputs.items()}
    return change(inputs)
