"""find idempotency keys by age.

Dispatchers remove those older than UNLEARND_IDEMPOTENCY_KEY_HOURS. Requests that have a key
wait to be accepted while the index is built.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "9a93800fcc06"
down_revision: str | None = "20e9e52f559c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
