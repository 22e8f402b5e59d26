"""Life cycles. Each is one table beside its states; this is the one place that enforces them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from service.core.errors import IllegalMoveError

Moves = Mapping[Any, frozenset[Any]]


class LifeCycle:
    """A row with a `state` that changes only along `MOVES`. A state with no entry is final."""

    MOVES: ClassVar[Moves]
    state: Any

    def move_to(self, target: StrEnum) -> None:
        """Change state, or refuse a move that the life cycle does not have.

        Raises:
            IllegalMoveError: `MOVES` has no such move; the row is unchanged.
        """
        if target not in self.MOVES.get(self.state, frozenset()):
            detail = f"What is {self.state} cannot become {target}."
            raise IllegalMoveError(detail, state=str(self.state))
        self.state = target


def moves(**table: set[str]) -> dict[str, frozenset[str]]:
    """Write a life cycle as `from_state={"to", "to"}`; string enums compare as their values."""
    return {source: frozenset(targets) for source, targets in table.items()}
