"""Putting together what goes on where it was killed: weights, optimisers, random numbers."""

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from workers.unlearning.embedding import Embedded
from workers.unlearning.savepoints import Saved, Savepoints

T = TypeVar("T")
RANDOM = "random"
OPTIMIZER = "optimizer"


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under longer names."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those with a prefix, without it."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def random_state(device: torch.device, generator: torch.Generator) -> dict[str, Tensor]:
    """Of the process, of the device, and of a generator on the CPU."""
    state = {"process": torch.get_rng_state(), "generator": generator.get_state()}
    if device.type == "cuda":
        state["device"] = torch.cuda.get_rng_state(device)
    return named(RANDOM, state)


def restore_random_state(
    tensors: dict[str, Tensor], device: torch.device, generator: torch.Generator
) -> None:
    state = under(RANDOM, tensors)
    torch.set_rng_state(state["process"])
    generator.set_state(state["generator"])
    if "device" in state:
        torch.cuda.set_rng_state(state["device"], device)


def optimizer_state(optimizer: torch.optim.Optimizer) -> Saved:
    state = optimizer.state_dict()
    tensors = {
        f"{number}/{name}": value
        for number, values in state["state"].items()
        for name, value in values.items()
    }
    return Saved(named(OPTIMIZER, tensors), {OPTIMIZER: state["param_groups"]})


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Saved) -> None:
    """The state as it was saved, laid out in memory as the weights are.

    A fused optimiser goes through weights, gradients and its own state in the order in which they
    lie in memory, whatever their strides, and a file keeps none.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for place, tensor in under(OPTIMIZER, saved.tensors).items():
        number, _, name = place.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    groups = [{**group, "betas": tuple(group["betas"])} for group in saved.facts[OPTIMIZER]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for weight, values in optimizer.state.items():
        for name, value in values.items():
            if value.shape == weight.shape:
                values[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def once(
    saves: Savepoints,
    name: str,
    device: torch.device,
    generator: torch.Generator,
    make: Callable[[], T],
    pack: Callable[[T], Saved],
    unpack: Callable[[Saved], T],
) -> T:
    """What `make` makes, or made in a run that was killed; random numbers go on as behind it."""
    saved = saves.load(name)
    if saved is not None:
        restore_random_state(saved.tensors, device, generator)
        return unpack(saved)
    started = time.monotonic()
    made = make()
    if saves.worth(time.monotonic() - started):
        packed = pack(made)
        tensors = packed.tensors | random_state(device, generator)
        saves.save(name, Saved(tensors, packed.facts))
    return made


def pack_embedded(parts: list[Embedded]) -> Saved:
    tensors: dict[str, Tensor] = {}
    for number, part in enumerate(parts):
        tensors |= named(
            str(number),
            {
                "positions": part.positions,
                "representations": part.representations,
                "logits": part.logits,
            },
        )
    return Saved(tensors, {"parts": len(parts)})


def unpack_embedded(saved: Saved) -> list[Embedded]:
    return [Embedded(**under(str(number), saved.tensors)) for number in range(saved.facts["parts"])]
