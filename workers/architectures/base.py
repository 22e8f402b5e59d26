"""What every kind of architecture can do."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from workers.data.processing import Processing
from workers.unlearning.base import Samples


class ArchitectureError(ValueError):
    """The network cannot be built or used; the message says why."""


class Blueprint(Protocol):
    """How the networks of one registered model are made, read, written and told of.

    A network takes `Inputs` and answers with logits (b, k). One that has no head answers with its
    representation (b, d) until `complete` gives it prototypes to decide between.
    """

    @property
    def decides(self) -> bool:
        """Whether the network has a head of its own."""
        ...

    @property
    def begins_with_basis(self) -> bool:
        """Whether `fresh` has the weights that the model's training began with."""
        ...

    def fresh(self) -> nn.Module:
        """The network with weights that no sample of the dataset has had a part in.

        They are those of its base where it has one, and else out of torch's global random state.
        """
        ...

    def adopt(self, base: Path, directory: Path) -> None:
        """Keep, in the model's own directory, the weights of another one as its base.

        Raises:
            ArtifactError: they cannot be read, or are no base of this network.
        """
        ...

    @property
    def rounding(self) -> float:
        """The relative rounding of the coarsest type that `load` has found weights served in."""
        ...

    def load(self, directory: Path) -> nn.Module:
        """The network, in evaluation mode, with the weights of a directory, in float32.

        They are rounded as by the lines that load the model elsewhere.

        Raises:
            ArchitectureError, ArtifactError: the files cannot be used.
        """
        ...

    def as_stored(self, directory: Path) -> nn.Module:
        """The same without that rounding: the weights as they lie in their files."""
        ...

    def complete(
        self, model: nn.Module, remaining: Samples, device: torch.device, seed: int
    ) -> None:
        """Give a network without a head something to decide by, made from remaining samples.

        Every network that is made or loaded afterwards gets the same.
        """
        ...

    def write(self, model: nn.Module, parent: Path, target: Path) -> None:
        """Write the weights under the names, shapes and types that they have in `parent`.

        Raises:
            ArtifactError: a tensor is not finite, or what is read back is not what was written.
        """
        ...

    def processing(self, kinds: Collection[str]) -> Processing:
        """What the inputs of a dataset go through, where its columns are of these kinds.

        Raises:
            DatasetError: a file that it takes is missing or cannot be used.
            ArtifactError: a setting names a file that lies elsewhere.
        """
        ...

    def decisions(self, rows: Samples) -> Samples:
        """What is decided about in rows: they themselves, or their tokens (`TokenSamples`)."""
        ...

    def module(self, name: str) -> str:
        """The submodule that a caller names, by its name in the network that `load` gives."""
        ...

    def facts(self) -> dict[str, Any]:
        """What `unlearning.json` says of the network, beside its architecture."""
        ...
