"""read tables with a log.

A dataset may be a Delta or an Iceberg table, at a snapshot. What was registered before is plain
Parquet. Workers of the release before this one read such a dataset as plain Parquet: update them
before the API.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "a4bde191ca07"
down_revision: str | None = "0eb51aceed2c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FORMATS = ("parquet", "delta", "iceberg")
SNAPSHOT = "of a table: the one that was asked for, and once indexed the one read"
FILES = "in reading order: uri, rows, digest of the ID column, view of a table's file"
FILES_BEFORE = "in reading order: uri, rows, bytes, digest of the ID column"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column, name in (("format", "datasetformat"), ("holdout_format", "holdoutformat")):
        kind = sa.Enum(*FORMATS, name=name, native_enum=False, length=32, create_constraint=True)
        op.add_column("datasets", sa.Column(column, kind, server_default="parquet", nullable=False))
    op.add_column("datasets", sa.Column("snapshot", sa.Text(), nullable=True, comment=SNAPSHOT))
    op.add_column("datasets", sa.Column("holdout_snapshot", sa.Text(), nullable=True))
    op.alter_column("datasets", "files", comment=FILES, existing_comment=FILES_BEFORE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("datasets", "files", comment=FILES_BEFORE, existing_comment=FILES)
    for column in ("holdout_snapshot", "holdout_format", "snapshot", "format"):
        op.drop_column("datasets", column)
