"""Building a network from what was registered. Nothing is unpickled, and no remote code runs."""

from importlib import import_module

from torch import nn

from service.core.settings import Settings
from workers.plan import Architecture


class ArchitectureError(ValueError):
    """The factory cannot be used; the message says why."""


def build(architecture: Architecture, settings: Settings) -> nn.Module:
    """Call an allowed factory.

    Raises:
        ArchitectureError: it is not allowed, cannot be imported, fails, or makes no network.
    """
    factory = architecture.factory
    if not settings.allows_factory(factory):
        raise ArchitectureError(f"{factory} is under no prefix of UNLEARND_MODULE_FACTORIES.")
    module_name, _, function_name = factory.partition(":")
    try:
        function = getattr(import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ArchitectureError(f"{factory} cannot be imported here: {error}.") from error
    try:
        model = function(**architecture.kwargs)
    except Exception as error:
        raise ArchitectureError(
            f"{factory} failed with these kwargs: {type(error).__name__}: {error}."
        ) from error
    if not isinstance(model, nn.Module):
        raise ArchitectureError(f"{factory} made a {type(model).__name__}, not a torch.nn.Module.")
    return model
