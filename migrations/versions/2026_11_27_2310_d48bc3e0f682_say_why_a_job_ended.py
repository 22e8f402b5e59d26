"""say why a job ended, as a code.

Whoever runs many jobs has to tell a machine that is too small from a model that does not fit, and
cannot match on sentences. Jobs that ended before have no code.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "d48bc3e0f682"
down_revision: str | None = "73d2ecbe28e2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CODES = (
    "out_of_memory",
    "killed",
    "crashed",
    "timed_out",
    "cancelled",
    "refused",
    "method_failed",
    "storage",
    "disk_full",
    "worker_lost",
    "worker_stopped",
    "overtaken",
    "nothing_left",
    "gate_not_passed",
    "approval_wanted",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    code = sa.Enum(*CODES, name="jobreason", native_enum=False, length=32, create_constraint=True)
    op.add_column("jobs", sa.Column("reason_code", code, nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("jobs", "reason_code")
