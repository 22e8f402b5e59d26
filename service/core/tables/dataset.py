"""Datasets and the index of their samples."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Identity, String
from sqlalchemy.orm import Mapped, mapped_column

from service.core.formats import DatasetFormat
from service.core.reasons import JobReason
from service.core.states import LifeCycle, Moves, moves
from service.core.tables.base import Base, Leased, choice, created_at

SAMPLE_ID_LENGTH = 255
# IDs are opaque: byte order is enough for them, and it is the cheapest to compare.
SampleIDType = String(SAMPLE_ID_LENGTH, collation="C")


class DatasetState(StrEnum):
    INDEXING = "indexing"
    READY = "ready"
    INVALID = "invalid"


class Dataset(Base, Leased, LifeCycle):
    """A registered training set. `tv` is its tombstone clock (see `service.core.clock`)."""

    __tablename__ = "datasets"
    MOVES: ClassVar[Moves] = moves(indexing={"ready", "invalid"})

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    uri: Mapped[str]
    format: Mapped[DatasetFormat] = mapped_column(
        default=DatasetFormat.PARQUET, server_default=DatasetFormat.PARQUET
    )
    snapshot: Mapped[str | None] = mapped_column(
        comment="of a table: the one that was asked for, and once indexed the one read"
    )
    holdout_uri: Mapped[str | None]
    holdout_format: Mapped[DatasetFormat] = mapped_column(
        choice(DatasetFormat, "holdoutformat"),
        default=DatasetFormat.PARQUET,
        server_default=DatasetFormat.PARQUET,
    )
    holdout_snapshot: Mapped[str | None]
    id_column: Mapped[str]
    label_column: Mapped[str | None]
    inputs: Mapped[list[dict[str, Any]]]
    state: Mapped[DatasetState] = mapped_column(default=DatasetState.INDEXING, index=True)
    reason: Mapped[str | None]
    reason_code: Mapped[JobReason | None]
    tv: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    rows: Mapped[int | None] = mapped_column(BigInteger)
    holdout_rows: Mapped[int | None] = mapped_column(BigInteger)
    files: Mapped[list[dict[str, Any]] | None] = mapped_column(
        comment="in reading order: uri, rows, digest of the ID column, view of a table's file"
    )
    holdout_files: Mapped[list[dict[str, Any]] | None]
    created_at: Mapped[datetime] = created_at()
    indexed_at: Mapped[datetime | None]


class Sample(Base):
    """One row of a dataset: written once, when the dataset is indexed, and never updated.

    One partition a dataset, so that a look-up reads one index and dropping a dataset is cheap.
    Its bound is what ties it to the dataset: a foreign key would be checked row by row.
    """

    __tablename__ = "samples"
    __table_args__ = {"postgresql_partition_by": "LIST (dataset_id)"}  # noqa: RUF012

    dataset_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sample_id: Mapped[str] = mapped_column(SampleIDType, primary_key=True)
    row_position: Mapped[int] = mapped_column(BigInteger)
