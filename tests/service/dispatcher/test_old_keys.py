"""Idempotency keys are known for as long as a caller may send them again, and no longer."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import keys
from service.core.db import Database, clock_now
from service.core.tables import IdempotencyKey
from service.dispatcher import expiry
from service.dispatcher.expiry import forget_old_keys


@pytest.fixture
def caller(session: Session) -> keys.NewKey:
    made = keys.create("caller")
    session.add(made.row)
    session.commit()
    return made


def store(session: Session, caller: keys.NewKey, ages: Iterable[float]) -> None:
    for hours in ages:
        session.add(
            IdempotencyKey(
                api_key_id=caller.row.id,
                key=f"{hours:g}",
                fingerprint="0" * 64,
                created_at=clock_now - timedelta(hours=hours),
            )
        )
    session.commit()


def known(session: Session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(IdempotencyKey.key)))


def test_keys_older_than_the_setting_are_forgotten(
    session: Session, database: Database, caller: keys.NewKey
) -> None:
    store(session, caller, [0, 23.9, 24.1, 100])

    assert forget_old_keys(database, 24) == 2
    assert known(session) == {"0", "23.9"}


def test_a_sweep_forgets_the_oldest_first_and_not_all(
    session: Session, database: Database, caller: keys.NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 2)
    store(session, caller, [30, 50, 40])

    assert forget_old_keys(database, 24) == 2
    assert known(session) == {"30"}


def test_keys_that_another_dispatcher_removes_are_passed_over(
    session: Session, database: Database, caller: keys.NewKey
) -> None:
    store(session, caller, [30, 40])
    held = select(IdempotencyKey).where(IdempotencyKey.key == "40").with_for_update()
    session.scalars(held).one()

    assert forget_old_keys(database, 24) == 1
    assert known(session) == {"40"}
