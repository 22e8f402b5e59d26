"""note when a version could not be destroyed.

Retention looks at ten versions a sweep. Ten whose files cannot be removed would be looked at for
ever, and no other one; with this column they go behind the others. The release before it leaves it
null.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "3bb019e93da4"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "model_versions",
        sa.Column(
            "destroy_tried_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when removing the files last failed; null: it never did",
        ),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("model_versions", "destroy_tried_at")
