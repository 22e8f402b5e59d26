"""The database: one engine a process, and short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

# For deadlines: the moment itself, by the database's clock. `now()` is its transaction's start.
clock_now = func.clock_timestamp()


class Database:
    """PostgreSQL behind one pool.

    Parameters of statements never reach an exception's text: they may be sample IDs. With a
    `patience` of so many seconds a statement that takes longer is given up, one that waits for
    a lock after half of that, and a server that does not answer counts as away.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        application: str = "unlearnd",
        patience: float | None = None,
    ) -> None:
        options = "-c timezone=UTC -c idle_in_transaction_session_timeout=300000"
        watchful: dict[str, Any] = {}
        if patience is not None:
            limit = round(patience * 1000)
            options += f" -c statement_timeout={limit} -c lock_timeout={limit // 2}"
            # A server that is gone without a word is noticed while something is sent by the
            # first, and while an answer is waited for by the others.
            watchful = {
                "tcp_user_timeout": limit,
                "keepalives_idle": max(1, round(patience / 2)),
                "keepalives_interval": 1,
            }
        self.engine: Engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            connect_args={
                "application_name": application,
                "connect_timeout": 5,
                "options": options,
                **watchful,
            },
        )

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


def breaks(constraint: str, error: IntegrityError) -> bool:
    """Whether this constraint is the one that the statement broke."""
    diagnostics: Any = getattr(error.orig, "diag", None)
    return diagnostics is not None and diagnostics.constraint_name == constraint
