"""Building a network from what was registered. Nothing is unpickled, and no remote code runs."""

from pathlib import Path

from service.core.settings import Settings
from workers.architectures.base import ArchitectureError, Blueprint
from workers.architectures.modules import Factory, build, factory_of
from workers.plan import AnyArchitecture, Architecture

__all__ = ["ArchitectureError", "Blueprint", "blueprint_of", "build", "factory_of"]


def blueprint_of(architecture: AnyArchitecture, settings: Settings, directory: Path) -> Blueprint:
    """How to make the networks of a model, whose files lie in `directory`.

    Raises:
        ArchitectureError: there is no such network, or none that can be unlearned.
    """
    if isinstance(architecture, Architecture):
        return Factory(architecture, settings, directory)
    # Importing transformers takes seconds, which a factory's network need not wait for.
    from workers.architectures.pretrained import Pretrained

    return Pretrained(directory)
