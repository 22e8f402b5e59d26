"""Refusals, by kind. They know no HTTP: `service.api.problems` turns them into answers."""

from typing import Any


class DomainError(Exception):
    """A refusal with a stable code, one sentence that says what to do, and plain facts.

    Neither the sentence nor the facts may hold a sample ID.
    """

    code = "error"
    title = "The request was refused"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.facts = facts


class NotFoundError(DomainError):
    code = "not-found"
    title = "There is no such thing"


class ConflictError(DomainError):
    code = "conflict"
    title = "The present state does not allow this"


class InvalidError(DomainError):
    code = "invalid"
    title = "The request cannot be carried out as it stands"


class IllegalMoveError(ConflictError):
    code = "illegal-move"
    title = "The life cycle has no such move"


class CannotStartError(Exception):
    """What a command needs does not start, or does not go on; the first line says why."""


class ConfigurationError(Exception):
    """The installation is set up wrongly; the sentence says what to change."""
