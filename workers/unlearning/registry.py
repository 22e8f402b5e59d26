"""Methods by name. A method registers itself; this file lists none."""

import importlib
import pkgutil
from typing import TypeVar

import workers.unlearning
from workers.unlearning.base import Method

_methods: dict[str, Method] = {}

M = TypeVar("M", bound=Method)


class UnknownMethodError(ValueError):
    """No package of `workers.unlearning` has a method of this name."""


def register(method: type[M]) -> type[M]:
    """Class decorator: make a method available under its `name`.

    Raises:
        ValueError: the name is taken by another class.
    """
    instance = method()
    taken = _methods.get(instance.name)
    if taken is not None and type(taken) is not method:
        raise ValueError(f'The method name "{instance.name}" is taken.')
    _methods[instance.name] = instance
    return method


def names() -> list[str]:
    """The names of all methods, sorted."""
    for module in pkgutil.iter_modules(workers.unlearning.__path__, "workers.unlearning."):
        if module.ispkg:
            importlib.import_module(module.name)
    return sorted(_methods)


def methods() -> list[Method]:
    """All methods, sorted by name."""
    return [_methods[name] for name in names()]


def get_method(name: str = "auto") -> Method:
    """The method of that name.

    Raises:
        UnknownMethodError: there is no such method. The message lists those there are.
    """
    known = names()
    if name not in known:
        raise UnknownMethodError(
            f'There is no unlearning method "{name}". Known: {", ".join(known)}.'
        )
    return _methods[name]
