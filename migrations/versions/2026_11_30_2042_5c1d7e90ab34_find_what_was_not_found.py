"""find what was not found.

The tombstone export tells the IDs that were asked for and are not in the dataset, in pages, and a
later look at new data asks for their rows. Requests wait to be accepted while the indexes are
built.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "5c1d7e90ab34"
down_revision: str | None = "a4bde191ca07"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_deletion_requests_not_found",
        "deletion_requests",
        ["dataset_id", "id"],
        postgresql_where=sa.text("not_found > 0"),
    )
    op.create_index(
        "ix_deletion_request_samples_not_found",
        "deletion_request_samples",
        ["request_id", "position"],
        postgresql_where=sa.text("disposition = 'not_found'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_deletion_request_samples_not_found", table_name="deletion_request_samples")
    op.drop_index("ix_deletion_requests_not_found", table_name="deletion_requests")
