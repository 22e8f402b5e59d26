"""index who else names a sample.

Cancelling a request looks for the others that name its samples, with the dataset's row locked, and
read all IDs of all requests for it. The index holds only what others deleted before.
Requests wait to be accepted while it is built.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "73d2ecbe28e2"
down_revision: str | None = "3bb019e93da4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_deletion_request_samples_already_deleted",
        "deletion_request_samples",
        ["sample_id", "request_id"],
        unique=False,
        postgresql_where=sa.text("disposition = 'already_deleted'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(
        "ix_deletion_request_samples_already_deleted",
        table_name="deletion_request_samples",
        postgresql_where=sa.text("disposition = 'already_deleted'"),
    )
