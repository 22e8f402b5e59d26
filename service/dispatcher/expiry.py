"""Forgetting idempotency keys that no caller sends again."""

from datetime import timedelta

from sqlalchemy import delete, select

from service.core.db import Database, clock_now
from service.core.tables import IdempotencyKey

# A sweep forgets this many at the most, so that it stays short: 10,000 a second by default.
AT_ONCE = 10_000


def forget_old_keys(database: Database, hours: float) -> int:
    """Remove what is older than that; returns how many. Other dispatchers' rows are passed over."""
    key = (IdempotencyKey.api_key_id, IdempotencyKey.key)
    old = (
        select(*key)
        .where(IdempotencyKey.created_at < clock_now - timedelta(hours=hours))
        .order_by(IdempotencyKey.created_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    gone = (
        delete(IdempotencyKey)
        .where(IdempotencyKey.api_key_id == old.c.api_key_id, IdempotencyKey.key == old.c.key)
        .execution_options(synchronize_session=False)
    )
    with database.unit_of_work() as session:
        return session.connection().execute(gone).rowcount
