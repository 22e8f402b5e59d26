"""Runs the migrations on the connection, or the URL, that `service.core.schema` hands over."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, text

from service.core.schema import MIGRATION_LOCK
from service.core.tables import Base


def is_ours(name: str | None, type_: str, _parents: Any) -> bool:
    """Partitions of `samples` come and go with datasets, not with migrations."""
    return not (type_ == "table" and name is not None and name.startswith("samples_"))


def migrate(connection: Connection) -> None:
    # Two processes that migrate at once take turns.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    try:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=is_ours,
            transaction_per_migration=True,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def main() -> None:
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", target_metadata=Base.metadata, as_sql=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()


main()
