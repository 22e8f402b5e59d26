"""A database connection that does not wait for ever."""

import time
from typing import Any, ClassVar

import psycopg
from psycopg.abc import RV, PQGen

# The server's own statement_timeout comes first, and leaves a connection that can be used.
BEHIND_THE_SERVER = 1.0


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
