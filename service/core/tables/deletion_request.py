"""Deletion requests, the fate of each ID in them, and the tombstones that they set."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.core.states import LifeCycle, Moves, moves
from service.core.tables.base import Base, created_at
from service.core.tables.dataset import Dataset, SampleIDType


class RequestState(StrEnum):
    STAGED = "staged"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIALLY_COMPLETED = "partially_completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Regulation(StrEnum):
    GDPR = "gdpr"
    CCPA = "ccpa"
    NONE = "none"


class Disposition(StrEnum):
    """What became of one ID in one request.

    `unlearned` and `cancelled` are never stored: they are what `staged` reads as once its
    request is completed or cancelled, so that completing a request of a million IDs is one row.
    """

    STAGED = "staged"
    UNLEARNED = "unlearned"
    NOT_FOUND = "not_found"
    ALREADY_DELETED = "already_deleted"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"


class DeletionRequest(Base, LifeCycle):
    __tablename__ = "deletion_requests"
    __table_args__ = (
        Index("ix_deletion_requests_dataset_id_tv", "dataset_id", "tv"),
        Index("ix_deletion_requests_accepted_at_id", "accepted_at", "id"),
        # For the export of what was asked for and not found.
        Index(
            "ix_deletion_requests_not_found",
            "dataset_id",
            "id",
            postgresql_where="not_found > 0",
        ),
    )
    MOVES: ClassVar[Moves] = moves(
        staged={"processing", "completed", "partially_completed", "failed", "cancelled"},
        processing={"completed", "partially_completed", "failed"},
        partially_completed={"processing", "completed", "failed"},
        failed={"processing", "completed", "partially_completed"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"))
    tv: Mapped[int] = mapped_column(
        BigInteger, default=0, comment="complete once every model has been unlearned up to here"
    )
    state: Mapped[RequestState] = mapped_column(default=RequestState.STAGED, index=True)
    detail: Mapped[str | None]
    regulation: Mapped[Regulation]
    client_reference: Mapped[str | None] = mapped_column(String(255))
    received_at: Mapped[datetime]
    accepted_at: Mapped[datetime] = created_at()
    due_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    # How many IDs were given, and how many of them have each stored disposition.
    total: Mapped[int]
    staged: Mapped[int] = mapped_column(default=0)
    not_found: Mapped[int] = mapped_column(default=0)
    already_deleted: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    unlearned: Mapped[bool] = mapped_column(
        default=False, comment="a published version has unlearned the staged samples"
    )

    dataset: Mapped[Dataset] = relationship()


class DeletionRequestSample(Base):
    """One ID as the caller gave it, by its place in the request.

    There is no foreign key to the request: the rows come by the million, in the transaction
    that inserts their request, which is never deleted.
    """

    __tablename__ = "deletion_request_samples"
    __table_args__ = (
        # For whom a cancelled request's tombstones pass to, which is asked with the clock locked.
        Index(
            "ix_deletion_request_samples_already_deleted",
            "sample_id",
            "request_id",
            postgresql_where="disposition = 'already_deleted'",
        ),
        Index(
            "ix_deletion_request_samples_not_found",
            "request_id",
            "position",
            postgresql_where="disposition = 'not_found'",
        ),
    )

    request_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sample_id: Mapped[str] = mapped_column(SampleIDType)
    disposition: Mapped[Disposition]


class Tombstone(Base):
    """A deleted sample: out of every training from the moment that this row is committed.

    The request holds the clock. No foreign keys, for the reason given above.
    """

    __tablename__ = "tombstones"

    dataset_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sample_id: Mapped[str] = mapped_column(SampleIDType, primary_key=True)
    row_position: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[UUID] = mapped_column(Uuid, index=True)
