"""Models, their immutable versions, and the aliases that point at versions.

"Model" means a machine-learning model here, never a table.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.core.reasons import JobReason
from service.core.states import LifeCycle, Moves, moves
from service.core.tables.base import Base, Leased, created_at
from service.core.tables.dataset import Dataset


class ModelState(StrEnum):
    VALIDATING = "validating"
    READY = "ready"
    INVALID = "invalid"


class VersionState(StrEnum):
    STAGING = "staging"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    DESTROYED = "destroyed"


class Model(Base, Leased, LifeCycle):
    __tablename__ = "models"
    MOVES: ClassVar[Moves] = moves(validating={"ready", "invalid"})
    __table_args__ = (
        # Operators change policies in SQL: a level that does not exist must not stop the jobs.
        CheckConstraint(
            "NOT policy ? 'target_level' OR COALESCE("
            "policy ->> 'target_level' IN ('utility', 'membership', 'robust'), false)",
            name="target_level",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    source_uri: Mapped[str]
    base_uri: Mapped[str | None]
    architecture: Mapped[dict[str, Any]]
    representation: Mapped[dict[str, Any]]
    method: Mapped[str]
    method_parameters: Mapped[dict[str, Any]]
    policy: Mapped[dict[str, Any]]
    paused: Mapped[bool] = mapped_column(default=False)
    registered_tv: Mapped[int] = mapped_column(
        BigInteger, default=0, comment="the clock that the training obeyed already"
    )
    state: Mapped[ModelState] = mapped_column(default=ModelState.VALIDATING, index=True)
    reason: Mapped[str | None]
    reason_code: Mapped[JobReason | None]
    held_tv: Mapped[int] = mapped_column(
        BigInteger,
        default=0,
        comment="a job up to here ended unpublished: none is made until the clock is later",
    )
    failed_tv: Mapped[int] = mapped_column(
        BigInteger, default=0, comment="requests up to here have failed for this model"
    )
    created_at: Mapped[datetime] = created_at()

    dataset: Mapped[Dataset] = relationship()


class ModelVersion(Base, LifeCycle):
    """An immutable checkpoint. `tv` is the clock up to which it has been unlearned."""

    __tablename__ = "model_versions"
    MOVES: ClassVar[Moves] = moves(
        staging={"published", "rejected"},
        published={"superseded"},
        superseded={"destroyed"},
    )
    __table_args__ = (
        UniqueConstraint("model_id", "number"),
        UniqueConstraint("model_id", "digest"),
        # A job publishes at most one version, whatever is redelivered or restarted.
        UniqueConstraint("job_id"),
        # A lineage has one head.
        Index(
            "uq_model_versions_published",
            "model_id",
            unique=True,
            postgresql_where="state = 'published'",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    job_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("jobs.id", use_alter=True, name="fk_model_versions_job_id_jobs")
    )
    digest: Mapped[str] = mapped_column(String(64))
    tv: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[VersionState]
    files: Mapped[list[dict[str, Any]]] = mapped_column(comment="path, bytes, sha256")
    audit: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = created_at()
    published_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]
    destroy_tried_at: Mapped[datetime | None] = mapped_column(
        comment="when removing the files last failed; null: it never did"
    )

    model: Mapped[Model] = relationship()
    parent: Mapped["ModelVersion | None"] = relationship(remote_side="ModelVersion.id")


class Alias(Base):
    """A movable name for a version of one model. `revision` grows with every move."""

    __tablename__ = "aliases"

    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    revision: Mapped[int] = mapped_column(default=1)
    moved_at: Mapped[datetime] = created_at()

    version: Mapped[ModelVersion] = relationship()
