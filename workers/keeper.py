"""Keeping a lease while its holder does something that takes long."""

import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workers.lifecycle.leases import CancelledError, LeaseLostError
from workers.progress import RunProgress

log = structlog.get_logger(__name__)

LEAST_SECONDS_BETWEEN_BEATS = 1.0
# Of the lease: after that much silence towards the database the work is ended, so that it is over
# before anybody else may begin.
FUSE = 0.8
# What a database answers, or does not, that is away or busy. Whatever else goes wrong with a
# heartbeat will go wrong with the next one too.
MAY_PASS = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
# How long the end of the work waits for a beat that is under way. A later one does no harm: the
# fence makes it change nothing once the outcome is recorded.
LAST_BEAT_SECONDS = 1.0

# Set when Celery was told to stop: runs are ended and their work is given back.
stopping = Event()


class ShutdownError(RuntimeError):
    """This worker was told to stop."""


Heartbeat = Callable[[RunProgress], bool]


class Keeper:
    """Renews a lease from a thread of its own for the length of a block.

    `heartbeat` renews it, stores progress, and says whether to stop. It may block for as long as
    the network or another session's lock makes it: whoever does the work calls `check`, which
    goes by this process's own clock. `since` is a moment by that clock at which the lease had
    not yet begun.
    """

    def __init__(self, heartbeat: Heartbeat, seconds: float, since: float) -> None:
        self._heartbeat = heartbeat
        self._seconds = seconds
        self._renewed = since
        self._progress = RunProgress()
        self._stop_wanted = False
        self._failure: Exception | None = None
        self._news, self._ended = Event(), Event()
        self._thread = Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._news.set()
        self._thread.join(LAST_BEAT_SECONDS)
        if self._thread.is_alive():
            log.warning("a heartbeat is still under way", silent_seconds=self._silent())

    def tell(self, progress: RunProgress) -> None:
        """There is news: it goes out with the next beat, and that comes soon."""
        self._progress = progress.snapshot()
        self._news.set()

    def check(self) -> None:
        """Whether the work may go on.

        Raises:
            LeaseLostError: another worker has the work, or the database was silent for too long.
            CancelledError, ShutdownError: it is to be stopped.
        """
        self.check_lease()
        if self._stop_wanted:
            raise CancelledError("Somebody asked for it to stop.")
        if stopping.is_set():
            raise ShutdownError("The worker was told to stop.")

    def check_lease(self) -> None:
        """Whether the work is still this worker's, also when it is to be stopped.

        Raises:
            LeaseLostError: another worker has the work, or the database was silent for too long.
        """
        if self._failure is not None:
            raise self._failure
        if time.monotonic() - self._renewed > self._seconds * FUSE:
            raise LeaseLostError("The database was silent for as long as the lease.")

    def _silent(self) -> float:
        return round(time.monotonic() - self._renewed, 1)

    def _keep(self) -> None:
        quarter = self._seconds / 4
        while not self._ended.wait(min(LEAST_SECONDS_BETWEEN_BEATS, quarter)):
            self._news.wait(max(0.0, self._renewed + quarter - time.monotonic()))
            if self._ended.is_set():
                return
            self._news.clear()
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 (check_lease raises it where the work is done)
                self._failure = error
                return

    def _beat(self) -> None:
        started = time.monotonic()
        try:
            stop = self._heartbeat(self._progress)
        except MAY_PASS as error:
            name = type(error).__name__
            log.warning("heartbeat failed", error=name, silent_seconds=self._silent())
            return
        self._renewed = started
        self._stop_wanted = self._stop_wanted or stop
