"""The database: one engine a process, and short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from sqlalchemy import Engine, create_engine, event, func, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from service.core import actors
from service.core.patience import WatchedConnection, patient, watched

# How long the kernel waits for a machine that answers nothing at all, where statements may be slow.
LONGEST_SILENCE_SECONDS = 60.0
# For deadlines: the moment itself, by the database's clock. `now()` is its transaction's start.
clock_now = func.clock_timestamp()
# One that waits to read from its client, or to write to it, has nothing of that client's to do.
WORKS = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE pid = :process AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
""")

log = structlog.get_logger(__name__)


class Database:
    """PostgreSQL behind one pool.

    Parameters of statements never reach an exception's text: they may be sample IDs. With a
    `patience` of so many seconds a statement that takes longer is given up, one that waits for
    a lock after half of that, and a server that does not answer counts as away (decision 0018).
    Without one, statements take as long as they take; a machine that is gone is noticed all the
    same, by the kernel, and a server that does nothing for them by `watched_by`, a database with a
    patience (decision 0018).

    Its sessions record facts in the name of `actor`. Without one, a session records nothing until
    its own actor is set: the API sets the key of the caller.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        application: str = "unlearnd",
        actor: str | None = None,
        patience: float | None = None,
        watched_by: "Database | None" = None,
    ) -> None:
        self._actor = actor
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
            connect_by(self.engine, patient(patience))
        elif watched_by is not None:
            connect_by(self.engine, watched(watched_by.works_on))

    def session(self) -> Session:
        """A session that takes a connection when it is first used, and commits when it is told."""
        opened = Session(self.engine, expire_on_commit=False)
        if self._actor is not None:
            actors.acts(opened, self._actor)
        return opened

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.session() as session, session.begin():
            yield session

    def works_on(self, process: int) -> bool:
        """Whether the server's process of that ID works, and waits for no client; or nobody knows.

        It must be one of the same database user.
        """
        try:
            with self.engine.connect() as connection:
                return bool(connection.scalar(WORKS, {"process": process}))
        except SQLAlchemyError as error:
            log.warning("nobody can say whether the database works", error=type(error).__name__)
            # Whoever waits asks again. Once the server is back, the process is another one.
            return True

    def dispose(self) -> None:
        self.engine.dispose()


def connect_by(engine: Engine, kind: type[psycopg.Connection[Any]]) -> None:
    """Have an engine make connections of that kind."""

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: Any, _record: Any, positional: list[Any], named: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        made = kind.connect(*positional, **named)
        if isinstance(made, WatchedConnection):
            made.find_pooler()
        return made


def breaks(constraint: str, error: IntegrityError) -> bool:
    """Whether this constraint is the one that the statement broke."""
    diagnostics: Any = getattr(error.orig, "diag", None)
    return diagnostics is not None and diagnostics.constraint_name == constraint
