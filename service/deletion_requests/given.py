"""The sample IDs of a request, on their way from the caller into the database."""

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

from service.core.facts.kinds import RequestAccepted
from service.core.tables import DeletionRequest, Disposition

Counts: TypeAlias = dict[Disposition, int]


class Given(Protocol):
    """The sample IDs of a request, wherever they are kept."""

    @property
    def total(self) -> int: ...

    @property
    def found(self) -> str:
        """A query of the samples that are to be stamped, and their rows, after `resolve`."""

    def accept_at_once(self, session: Session, request: DeletionRequest) -> bool:
        """Do all that accepting takes, and say whether that could be done; if not, do nothing.

        After it the new request has its clock and its counts and belongs to the session, and the
        dataset's row is locked.
        """

    def resolve(self, session: Session, request_id: UUID, dataset_id: int) -> Counts:
        """Store each ID with what it names, and count them by disposition."""


def accepted(request: DeletionRequest) -> RequestAccepted:
    """What history says of a request that was accepted, in whichever way."""
    return RequestAccepted(
        dataset_id=request.dataset_id, request_id=request.id, total=request.total
    )


def counted(rows: Iterable[Any]) -> Counts:
    return {Disposition(disposition): number for disposition, number in rows}
