"""What happened, append-only: the history of requests, jobs, datasets, models and keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, ForeignKey, Identity, String, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from service.core.tables.base import Base


class Event(Base):
    """One event. `data` holds counts, states and versions; never a sample ID.

    The database refuses to change or remove one. So an event keeps the numbers and the names of
    its dataset and its model when these are gone: an invalid one is replaced by its namesake.
    """

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # The moment itself, not the start of its transaction, so that order and time agree.
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[str] = mapped_column(String(64))
    # The default is for the release before actors, which names none.
    actor: Mapped[str] = mapped_column(server_default="system")
    dataset_id: Mapped[int | None]
    model_id: Mapped[int | None]
    # A trigger of the database fills these in.
    dataset_name: Mapped[str | None] = mapped_column(FetchedValue())
    model_name: Mapped[str | None] = mapped_column(FetchedValue())
    request_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("deletion_requests.id"), index=True
    )
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("jobs.id"), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
