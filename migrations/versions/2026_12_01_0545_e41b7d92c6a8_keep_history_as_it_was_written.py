"""keep history as it was written.

An auditor of deletions asks who did what, and whether history was rewritten. So events
name an actor, keep the numbers and the names of datasets and models that are gone, and can be
neither changed nor removed. Registering a dataset or a model again, which replaces an invalid one,
had set the numbers in its events to NULL.

A rolling upgrade: the release before this one runs on this schema. Its INSERTs name no actor and
get `system`; a trigger fills in names for every release; it has no statement that changes or
removes events, and needed the foreign keys for setting numbers to NULL only. Stored events become
`system`'s, and get the names of what still exists.

`events` is locked until its rows have their names. It has some ten rows for each request, and
none for a sample.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "e41b7d92c6a8"
down_revision: str | None = "7d0c41f2a9be"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NAME = """
CREATE FUNCTION events_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.model_id IS NOT NULL AND NEW.model_name IS NULL THEN
        SELECT models.name, coalesce(NEW.dataset_name, datasets.name)
        INTO NEW.model_name, NEW.dataset_name
        FROM models JOIN datasets ON datasets.id = models.dataset_id
        WHERE models.id = NEW.model_id;
    ELSIF NEW.dataset_id IS NOT NULL AND NEW.dataset_name IS NULL THEN
        NEW.dataset_name := (SELECT name FROM datasets WHERE id = NEW.dataset_id);
    END IF;
    RETURN NEW;
END $$
"""
NAMES = """
CREATE TRIGGER events_name BEFORE INSERT ON events
FOR EACH ROW EXECUTE FUNCTION events_name()
"""
REFUSE = """
CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are history: % is refused', TG_OP USING ERRCODE = '55000';
END $$
"""
REFUSES = """
CREATE TRIGGER events_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()
"""
NAME_STORED = """
UPDATE events SET dataset_name = datasets.name, model_name = models.name
FROM events AS stored
LEFT JOIN models ON models.id = stored.model_id
JOIN datasets ON datasets.id = coalesce(stored.dataset_id, models.dataset_id)
WHERE events.id = stored.id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("fk_events_dataset_id_datasets"), "events", type_="foreignkey")
    op.drop_constraint(op.f("fk_events_model_id_models"), "events", type_="foreignkey")
    op.add_column("events", sa.Column("actor", sa.Text(), server_default="system", nullable=False))
    op.add_column("events", sa.Column("dataset_name", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("model_name", sa.Text(), nullable=True))
    op.execute(NAME_STORED)
    for statement in (NAME, NAMES, REFUSE, REFUSES):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("events_refuse", "events_name"):
        op.execute(f"DROP TRIGGER {name} ON events")
        op.execute(f"DROP FUNCTION {name}()")
    # The foreign keys allow no number of what is gone.
    op.execute(
        "UPDATE events SET dataset_id = NULL WHERE dataset_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM datasets WHERE datasets.id = events.dataset_id)"
    )
    op.execute(
        "UPDATE events SET model_id = NULL WHERE model_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM models WHERE models.id = events.model_id)"
    )
    op.drop_column("events", "model_name")
    op.drop_column("events", "dataset_name")
    op.drop_column("events", "actor")
    for column, table in (("model_id", "models"), ("dataset_id", "datasets")):
        op.create_foreign_key(
            op.f(f"fk_events_{column}_{table}"),
            "events",
            table,
            [column],
            ["id"],
            ondelete="SET NULL",
        )
