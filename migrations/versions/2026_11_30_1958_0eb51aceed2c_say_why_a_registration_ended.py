"""say why a registration ended, as a code.

Whoever registers by a program has to tell a damaged file from a limit, and cannot match on
sentences. Datasets and models that were refused before have no code.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0eb51aceed2c"
down_revision: str | None = "9a93800fcc06"
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
TABLES = ("datasets", "models")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    code = sa.Enum(*CODES, name="jobreason", native_enum=False, length=32, create_constraint=True)
    for table in TABLES:
        op.add_column(table, sa.Column("reason_code", code, nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.drop_column(table, "reason_code")
