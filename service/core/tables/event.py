"""What happened, append-only: the history of requests, jobs, datasets and models."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, String, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from service.core.tables.base import Base


class Event(Base):
    """One event. `data` holds counts, states and versions; never a sample ID."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # The moment itself, not the start of its transaction, so that order and time agree.
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[str] = mapped_column(String(64))
    dataset_id: Mapped[int | None] = mapped_column(ForeignKey("datasets.id", ondelete="SET NULL"))
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id", ondelete="SET NULL"))
    request_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("deletion_requests.id"), index=True
    )
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("jobs.id"), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
