"""Database connections that do not wait for ever."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

import psycopg
from psycopg.abc import RV, PQGen

# The server's own statement_timeout comes first, and leaves a connection that can be used.
BEHIND_THE_SERVER = 1.0

# How long a statement that may be slow is waited for before somebody asks what has become of it,
# and how often in a row the answer must be that nothing has.
LOOK_SECONDS = 5.0
LOOKS = 2


class PatientConnection(psycopg.Connection[Any]):
    """Gives up on a server that is connected and says nothing, and closes the connection.

    The kernel's timeouts notice a machine that is gone. They do not notice a server that hangs, or
    a proxy in between that does: there, what is sent is acknowledged, and no answer comes.
    """

    patience: ClassVar[float]

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait for what one exchange with the server comes to.

        Raises:
            psycopg.OperationalError: no answer came within `patience` seconds.
        """
        began = time.monotonic()
        try:
            return super().wait(gen, *args, **{"timeout": self.patience, **kwargs})
        except psycopg.OperationalError as error:
            if error.sqlstate is not None or time.monotonic() - began < self.patience:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"The database was silent for {self.patience:g} s; the connection was closed."
            ) from error


def patient(seconds: float) -> type[PatientConnection]:
    """Connections whose statements the server ends after so many seconds, or they soon after."""
    limit = {"patience": seconds + BEHIND_THE_SERVER}
    return type("PatientConnection", (PatientConnection,), limit)


class WatchedConnection(psycopg.Connection[Any]):
    """Waits for as long as the server works, and closes the connection where it does not.

    Whether the server works on it, another connection asks the server. A statement or an answer
    that was lost on the way would be waited for for ever, as `PatientConnection` says.
    """

    works: ClassVar[Callable[[int], bool]]
    # Behind a pooler, the server's process has another ID than the connection is told.
    behind_a_pooler = False

    def find_pooler(self) -> None:
        """Learn whether its server process can be told from others: if not, it is not watched."""
        (process,) = self.execute("SELECT pg_backend_pid()").fetchone() or (None,)
        self.rollback()
        self.behind_a_pooler = process != self.info.backend_pid

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait for what one exchange with the server comes to.

        Raises:
            psycopg.OperationalError: the server does nothing for this connection.
        """
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, gen: PQGen[RV]) -> PQGen[RV]:
        idle, next_look = 0, time.monotonic() + LOOK_SECONDS
        try:
            state = next(gen)
            while True:
                ready = yield state
                now = time.monotonic()
                if ready:
                    idle, next_look = 0, now + LOOK_SECONDS
                elif now >= next_look:
                    works = self.behind_a_pooler or type(self).works(self.info.backend_pid)
                    idle = 0 if works else idle + 1
                    next_look = time.monotonic() + LOOK_SECONDS
                    self._give_up_after(idle)
                state = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result

    def _give_up_after(self, looks: int) -> None:
        # An answer may have been under way at the first look.
        if looks >= LOOKS:
            self.pgconn.finish()
            raise psycopg.OperationalError(
                "The database does nothing for this connection, which waits for it; it was closed."
            )


def watched(works: Callable[[int], bool]) -> type[WatchedConnection]:
    """Connections that wait while `works` says of their server process's ID that it works."""
    return type("WatchedConnection", (WatchedConnection,), {"works": staticmethod(works)})
