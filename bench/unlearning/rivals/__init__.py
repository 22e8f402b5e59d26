"""What others have published, without labels: beside ours in the table, and not in the product.

Written anew from the papers. Each is held to the floors of agreement, as ours are.
"""

from bench.unlearning.rivals.dampening import Dampening
from bench.unlearning.rivals.uncertainty import Uncertainty
from workers.unlearning.base import Method
from workers.unlearning.registry import get_method, names

RIVALS: dict[str, Method] = {rival.name: rival for rival in (Dampening(), Uncertainty())}


def known() -> list[str]:
    """The names of all methods that can be put into the table."""
    return [*names(), *RIVALS]


def named(name: str) -> Method:
    """A method of ours or of others."""
    return RIVALS[name] if name in RIVALS else get_method(name)
