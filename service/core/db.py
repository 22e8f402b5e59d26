"""The database: one engine a process, and short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.patience import PatientConnection, patient

# How long the kernel waits for a machine that answers nothing at all, where statements may be slow.
LONGEST_SILENCE_SECONDS = 60.0
# For deadlines: the moment itself, by the database's clock. `now()` is its transaction's start.
clock_now = func.clock_timestamp()


class Database:
    """PostgreSQL behind one pool.

    Parameters of statements never reach an exception's text: they may be sample IDs. With a
    `patience` of so many seconds a statement that takes longer is given up, one that waits for
    a lock after half of that, and a server that does not answer counts as away (decision 0018).
    Without one, statements take as long as they take; a machine that is gone is noticed all the
    same, by the kernel.
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
        if patience is not None:
            limit = round(patience * 1000)
            options += f" -c statement_timeout={limit} -c lock_timeout={limit // 2}"
        silence = LONGEST_SILENCE_SECONDS if patience is None else patience
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
                # A machine that is gone without a word is noticed while something is sent by the
                # first, and while an answer is waited for by the others.
                "tcp_user_timeout": round(silence * 1000),
                "keepalives_idle": max(1, round(silence / 2)),
                "keepalives_interval": max(1, round(silence / 10)),
                "keepalives_count": 5,
            },
        )
        if patience is not None:
            wait_no_longer(self.engine, patience)

    def session(self) -> Session:
        """A session that takes a connection when it is first used, and commits when it is told."""
        return Session(self.engine, expire_on_commit=False)

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.session() as session, session.begin():
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


def wait_no_longer(engine: Engine, patience: float) -> None:
    """Have an engine make connections that give up on a silent server."""
    kind = patient(patience)

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: Any, _record: Any, positional: list[Any], named: dict[str, Any]
    ) -> PatientConnection:
        return kind.connect(*positional, **named)


def breaks(constraint: str, error: IntegrityError) -> bool:
    """Whether this constraint is the one that the statement broke."""
    diagnostics: Any = getattr(error.orig, "diag", None)
    return diagnostics is not None and diagnostics.constraint_name == constraint
