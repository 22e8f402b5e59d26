"""note the base of a model.

Distillation of a fine-tuned model begins with the weights that its fine-tuning began with, so a
registration may name them. The release before this one leaves the column alone.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20e9e52f559c"
down_revision: str | None = "d48bc3e0f682"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("models", sa.Column("base_uri", sa.Text(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("models", "base_uri")
