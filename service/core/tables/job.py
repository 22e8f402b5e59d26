"""Unlearning jobs."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.core.policy import TargetLevel
from service.core.reasons import JobReason
from service.core.states import LifeCycle, Moves, moves
from service.core.tables.base import Base, Leased, created_at
from service.core.tables.model import Model, ModelVersion


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHED = "published"
    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobPhase(StrEnum):
    """What a running job does, in this order."""

    LOADING = "loading"
    EMBEDDING = "embedding"
    MODELLING = "modelling"
    UNLEARNING = "unlearning"
    AUDITING = "auditing"
    PUBLISHING = "publishing"


LIVE = (JobState.QUEUED, JobState.RUNNING)


class Job(Base, Leased, LifeCycle):
    """One unlearning run of one model, over everything stamped since its parent version.

    It holds no list of samples: they are the tombstones with parent_tv < tv <= job.tv.
    """

    __tablename__ = "jobs"
    MOVES: ClassVar[Moves] = moves(
        queued={"running", "failed", "cancelled"},
        running={"queued", "published", "needs_review", "failed", "cancelled"},
        needs_review={"published", "failed"},
    )
    __table_args__ = (
        Index(
            "uq_jobs_live",
            "model_id",
            unique=True,
            postgresql_where="state IN ('queued', 'running')",
        ),
        Index("ix_jobs_created_at_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), index=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    parent_tv: Mapped[int] = mapped_column(BigInteger)
    tv: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[JobState] = mapped_column(default=JobState.QUEUED, index=True)
    phase: Mapped[JobPhase | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    metrics: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    reason: Mapped[str | None]
    reason_code: Mapped[JobReason | None]
    seed: Mapped[int] = mapped_column(BigInteger)
    target_level: Mapped[TargetLevel | None] = mapped_column(
        comment="what the policy asked for at the last claim; null: it was not claimed yet"
    )
    commitment_salt: Mapped[bytes] = mapped_column(
        LargeBinary, comment="opens the commitment to the forgotten samples"
    )
    commitment: Mapped[str | None] = mapped_column(String(64))
    cancel_requested_at: Mapped[datetime | None]
    run_after: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    model: Mapped[Model] = relationship()
    parent: Mapped[ModelVersion] = relationship(foreign_keys=[parent_id])
