"""Leases by the database's clock."""

from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.db import clock_now
from service.core.tables import Leased

Row = TypeVar("Row", bound=Leased)


class LeaseLostError(RuntimeError):
    """Somebody else owns this work by now, or it is over. Nothing was changed."""


class CancelledError(RuntimeError):
    """Somebody asked for the work to stop. Nothing was changed."""


def take(row: Leased, owner: str, seconds: float) -> None:
    """Become the owner of a row that is locked in this transaction."""
    row.fence += 1
    row.attempt += 1
    row.lease_owner = owner
    row.lease_until = clock_now + timedelta(seconds=seconds)


def claim_idle(
    session: Session, table: type[Row], key: Any, waits: Any, owner: str, seconds: float
) -> Row | None:
    """Take a row that `waits` and that nobody holds; None if there is no such row now."""
    row = session.scalar(
        select(table)
        .where(key, waits, or_(table.lease_until.is_(None), table.lease_until < clock_now))
        .with_for_update(skip_locked=True, key_share=True)
    )
    if row is not None:
        take(row, owner, seconds)
        session.flush()
    return row


def renew(
    session: Session, table: type[Leased], key: Any, fence: int, seconds: float, **values: Any
) -> None:
    """Hold on for another term, and write what is new about the work.

    Raises:
        LeaseLostError: the fence moved on.
    """
    until = clock_now + timedelta(seconds=seconds)
    changed = (
        update(table)
        .where(key, table.fence == fence, table.lease_owner.is_not(None))
        .values(lease_until=until, **values)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(changed).rowcount == 0:
        raise LeaseLostError("The lease passed to another worker, or the work is over.")


def lock_owned(
    session: Session, table: type[Row], identity: InstrumentedAttribute[Any], value: Any, fence: int
) -> Row:
    """The row, locked, if this fence still owns it.

    Raises:
        LeaseLostError: it does not.
    """
    row = session.scalar(
        select(table)
        .where(identity == value, table.fence == fence, table.lease_owner.is_not(None))
        .with_for_update(key_share=True)
    )
    if row is None:
        raise LeaseLostError("The lease passed to another worker, or the work is over.")
    return row


def release(row: Leased) -> None:
    row.lease_owner, row.lease_until = None, None


def give_back(row: Leased) -> None:
    """Let go of what is owned and locked, as if it had not been tried: it is due at once."""
    release(row)
    row.attempt -= 1
    row.rung_at = None
