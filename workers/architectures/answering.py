"""What a factory's network answers with, whatever form it gives its answer in.

Networks with heads that help in training, such as Inception, answer with a tuple or a named tuple
then, or always; others with a dict or a dataclass.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

LOGITS = "logits"


def served(network: nn.Module) -> nn.Module:
    """The network itself: called, it gives one tensor, and leaves its inputs as they were."""
    network.register_forward_pre_hook(_inputs_of_its_own)
    network.register_forward_hook(_the_answer)
    return network


def _inputs_of_its_own(_network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """An operation in place would change samples that are read again."""
    return tuple(given.clone() if isinstance(given, Tensor) else given for given in inputs)


def _the_answer(_network: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
    """`logits` if there is something of the name, else the first part."""
    if isinstance(output, Tensor):
        return output
    parts = named_parts(output)
    return parts.get(LOGITS, next(iter(parts.values()), output))


def named_parts(output: Any) -> Mapping[str, Any]:
    """The parts of a tuple, named tuple, dict or dataclass, in their order."""
    if isinstance(output, Mapping):
        return output
    if isinstance(output, tuple | list):
        names = getattr(output, "_fields", [str(number) for number in range(len(output))])
        return dict(zip(names, output, strict=True))
    if is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return {}
