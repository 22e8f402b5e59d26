"""Weights that training began with: a network that has not seen the dataset, nor forgotten it.

They lie beside a version's own weights, under the names of the network's state, and go with it from
version to version.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from workers.artifacts import BASIS, ArtifactError
from workers.quoting import of_files

# With less of a network than this, it is another network's base.
SMALLEST_SHARE = 0.5


def keep_basis(
    base: Mapping[str, Tensor], state: Mapping[str, Tensor], names: Collection[str], target: Path
) -> None:
    """Write those tensors of `base` that stand in `names` and fit the `state` of a model.

    Raises:
        ArtifactError: too few of them fit, one is not finite, or they are the model itself.
    """
    taken = {
        name: base[name].detach().to("cpu", its.dtype, copy=True).contiguous()
        for name, its in state.items()
        if name in names and name in base and base[name].shape == its.shape
    }
    for name, tensor in taken.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"{name} in base_uri holds numbers that are not finite.")
    share = _count(taken) / max(1, _count(state))
    if share < SMALLEST_SHARE:
        raise ArtifactError(
            f"base_uri has {share:.0%} of the network's weights, by name and shape; at least "
            f"{SMALLEST_SHARE:.0%} are needed to begin with."
        )
    if share == 1.0 and all(torch.equal(taken[name], its.cpu()) for name, its in state.items()):
        raise ArtifactError(
            "base_uri holds the weights of the model itself: name those that its training on this "
            "dataset began with."
        )
    save_file(taken, target / BASIS)


def begin_with_basis(state: Mapping[str, Tensor], directory: Path) -> None:
    """Put the weights of its base into the `state` of a fresh network, if it has one.

    Raises:
        ArtifactError: the file cannot be read, or is not of this network: a newer transformers
            may name a network's tensors otherwise.
    """
    if not has_basis(directory):
        return
    try:
        found = load_file(directory / BASIS)
    except Exception as error:
        raise ArtifactError(f"{BASIS} cannot be read: {of_files(error)}") from error
    strange = [
        name for name, its in found.items() if name not in state or state[name].shape != its.shape
    ]
    if strange:
        raise ArtifactError(
            f"{len(strange)} of {len(found)} tensors of {BASIS} are not of this network, such as "
            f"{strange[0]}: register the model with its base again."
        )
    with torch.no_grad():
        for name, its in found.items():
            state[name].copy_(its)


def has_basis(directory: Path) -> bool:
    return (directory / BASIS).is_file()


def _count(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point())
