"""ask for a level.

Operators ask for a level of the audit in a model's policy, and compare it with what each job
reached. The policy may change after a job, so the job keeps what it was asked for.

Policies in the database stay as they are: a floor of 0.97 that a registration stored is one that
its owner may count on, so it stays fixed, and a policy that names no level asks for the default.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "7d0c41f2a9be"
down_revision: str | None = "5c1d7e90ab34"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LEVELS = ("utility", "membership", "robust")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    level = sa.Enum(
        *LEVELS, name="targetlevel", native_enum=False, length=32, create_constraint=True
    )
    op.add_column(
        "jobs",
        sa.Column(
            "target_level",
            level,
            nullable=True,
            comment="what the policy asked for at the last claim; null: it was not claimed yet",
        ),
    )
    op.create_check_constraint(
        op.f("ck_models_target_level"),
        "models",
        "NOT policy ? 'target_level' OR COALESCE("
        "policy ->> 'target_level' IN ('utility', 'membership', 'robust'), false)",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("ck_models_target_level"), "models", type_="check")
    # The release before this one reads no other keys, and needs a number for the floor.
    op.execute("UPDATE models SET policy = policy - 'target_level' WHERE policy ? 'target_level'")
    op.execute(
        "UPDATE models SET policy = policy || '{\"min_agreement\": 0.97}' "
        "WHERE policy ->> 'min_agreement' IS NULL"
    )
    op.drop_column("jobs", "target_level")
