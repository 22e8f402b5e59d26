"""Networks that an allowed factory makes. Nothing is unpickled."""

from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from service.core.settings import Settings
from workers.architectures.answering import served
from workers.architectures.base import ArchitectureError
from workers.architectures.basis import begin_with_basis, has_basis, keep_basis
from workers.data.processing import Processing, raw_processing
from workers.plan import Architecture
from workers.quantised import refuse_quantised
from workers.quoting import of_registration
from workers.unlearning.base import Samples
from workers.unlearning.copying import built_by
from workers.weight_files import load_weights, read_weights, with_shared_names, write_weights


class Factory:
    """The `Blueprint` of the kind `module`."""

    def __init__(self, architecture: Architecture, settings: Settings, directory: Path) -> None:
        self._architecture = architecture
        self._settings = settings
        self._directory = directory

    @property
    def decides(self) -> bool:
        return True

    @property
    def begins_with_basis(self) -> bool:
        return has_basis(self._directory)

    def fresh(self) -> nn.Module:
        network = self._another()
        begin_with_basis(network.state_dict(), self._directory)
        return network

    def adopt(self, base: Path, directory: Path) -> None:
        state = self.load(directory).state_dict()
        tensors = with_shared_names(read_weights(base), state)
        keep_basis(tensors, state, tensors.keys(), directory)

    @property
    def rounding(self) -> float:
        return 0.0

    def as_stored(self, directory: Path) -> nn.Module:
        return self.load(directory)

    def load(self, directory: Path) -> nn.Module:
        refuse_quantised(directory, by_name=False)
        model = self._another().eval()
        load_weights(model, directory)
        return model

    def complete(
        self, model: nn.Module, remaining: Samples, device: torch.device, seed: int
    ) -> None:
        """Nothing: a factory's network answers with logits."""

    def write(self, model: nn.Module, parent: Path, target: Path) -> None:
        write_weights(model.state_dict(), parent, target)

    def processing(self, kinds: Collection[str]) -> Processing:  # noqa: ARG002
        return raw_processing()

    def decisions(self, rows: Samples) -> Samples:
        return rows

    def module(self, name: str) -> str:
        return name

    def facts(self) -> dict[str, Any]:
        return {}

    def _another(self) -> nn.Module:
        network = served(build(self._architecture, self._settings))
        built_by(network, self._another)
        return network


def build(architecture: Architecture, settings: Settings) -> nn.Module:
    """Call an allowed factory.

    Raises:
        ArchitectureError: as `factory_of`, or it fails, or makes no network.
    """
    factory, function = architecture.factory, factory_of(architecture, settings)
    try:
        model = function(**architecture.kwargs)
    except Exception as error:
        raise ArchitectureError(
            f"{factory} failed with these kwargs: {type(error).__name__}: {of_registration(error)}."
        ) from error
    if not isinstance(model, nn.Module):
        raise ArchitectureError(f"{factory} made a {type(model).__name__}, not a torch.nn.Module.")
    for name, tensor in model.named_parameters():
        if isinstance(tensor, UninitializedParameter):
            raise ArchitectureError(
                f"{factory} leaves {name} without a shape until the first batch: name the sizes in "
                "place of lazy modules."
            )
        if tensor.is_complex():
            raise ArchitectureError(
                f"{factory} gives {name} complex numbers: unlearning trains real ones only."
            )
    return model


def factory_of(architecture: Architecture, settings: Settings) -> Callable[..., Any]:
    """What an allowed name of a factory stands for.

    Raises:
        ArchitectureError: it is not allowed, cannot be imported, or can make no network.
    """
    factory = architecture.factory
    if not settings.allows_factory(factory):
        raise ArchitectureError(f"{factory} is under no prefix of UNLEARND_MODULE_FACTORIES.")
    module_name, _, function_name = factory.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ArchitectureError(
            f"{factory} cannot be imported here: {of_registration(error)}."
        ) from error
    if not _may_make_a_network(function):
        raise ArchitectureError(f"{factory} is not a function that makes a network.")
    return function


def _may_make_a_network(named: Any) -> bool:
    """Whether it can be called for a network: a function, or the class of a network itself."""
    return issubclass(named, nn.Module) if isinstance(named, type) else callable(named)
