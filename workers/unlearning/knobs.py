"""The knobs of a method: typed, with a default, a range and a sentence each."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Self

from workers.unlearning.base import ParameterError


def knob(default: Any, text: str, low: float = 0.0, high: float = 1e12) -> Any:
    """A field of a `Knobs` class; a number must lie between `low` and `high`."""
    return field(default=default, metadata={"help": text, "low": low, "high": high})


def choice(default: str, text: str, *values: str) -> Any:
    """A field of a `Knobs` class that has one of a few values."""
    return field(default=default, metadata={"help": text, "values": (default, *values)})


def parameters_of_another(text: str) -> Any:
    """A field of a `Knobs` class that holds parameters of another method, none by default."""
    return field(default_factory=dict, metadata={"help": text})


def default_of(each: Field[Any]) -> Any:
    """What a field is if nobody sets it."""
    return each.default if each.default_factory is MISSING else each.default_factory()


@dataclass(frozen=True)
class Knobs:
    """Base class: a frozen dataclass whose fields are made by the functions above.

    Raises:
        ParameterError: a value has the wrong type or lies out of range.
    """

    TITLE: ClassVar[str]

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name), default_of(each), each.metadata)

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Self:
        """The configuration with `parameters` in place of defaults.

        Raises:
            ParameterError: a name is unknown, or a value has the wrong type or lies out of range.
        """
        known = [each.name for each in fields(cls)]
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise ParameterError(
                f"{cls.TITLE} has no parameter {', '.join(map(repr, unknown))}. "
                f"It has: {', '.join(known)}."
            )
        return cls(**parameters)


def _check(name: str, value: object, default: object, limits: Mapping[str, Any]) -> None:
    wanted = type(default)
    # An integer is a fine float in JSON; True is a fine integer in Python only.
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    if not fits:
        raise ParameterError(f'"{name}" must be {wanted.__name__}, not {type(value).__name__}.')
    if "values" in limits and value not in limits["values"]:
        *most, last = limits["values"]
        raise ParameterError(f'"{name}" is {", ".join(most)} or {last}, not {value!r}.')
    if "low" not in limits or not isinstance(value, int | float):
        return
    if not limits["low"] <= value <= limits["high"]:
        raise ParameterError(
            f'"{name}" must lie between {limits["low"]} and {limits["high"]}, not {value}.'
        )
