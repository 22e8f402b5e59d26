"""What kind of number each tensor of a file holds, against what the network computes with."""

from collections.abc import Collection, Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from workers.artifacts import ArtifactError

FRACTIONS = ("F", "BF")


def refuse_other_kinds(state: Mapping[str, Tensor], files: Collection[Path], whose: str) -> None:
    """Whole numbers in place of fractions, or fractions in place of those, are no weights of it.

    They would be cast without a word. `files` are in safetensors.

    Raises:
        ArtifactError: a tensor is of another kind than the network's of that name.
    """
    for path in files:
        with safe_open(path, framework="pt") as file:
            kinds = {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118
        for name, kind in kinds.items():
            fractions = kind.startswith(FRACTIONS)
            its = state.get(name) if fractions else _of_that_name(state, name)
            if its is not None and its.is_floating_point() != fractions and not its.is_complex():
                wanted = str(its.dtype).removeprefix("torch.")
                raise ArtifactError(
                    f"{name} in {path.name} holds {kind}, and {whose} needs {wanted} there: save "
                    "the network as it was trained."
                )


def _of_that_name(state: Mapping[str, Tensor], name: str) -> Tensor | None:
    """The tensor of that name, also where only one of both stands behind a prefix."""
    return next(
        (
            its
            for known, its in state.items()
            if known == name or known.endswith(f".{name}") or name.endswith(f".{known}")
        ),
        None,
    )
