"""Starting a runner, turning its progress into heartbeats, and ending it for certain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import IO

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import OperationalError

from service.core.settings import Settings
from workers.lifecycle.leases import LeaseLostError
from workers.plan import OUTCOME, PLAN, Outcome, Plan, ProgressLine
from workers.progress import RunProgress

log = structlog.get_logger(__name__)

GRACE_SECONDS = 30.0
POLL_SECONDS = 0.1
LEAST_SECONDS_BETWEEN_BEATS = 1.0
# Of the lease: after that much silence towards the database the run is ended, so that it is over
# before anybody else may begin.
FUSE = 0.8

# Set when Celery was told to stop: runs are ended and their work is given back.
stopping = Event()


class RunFailedError(RuntimeError):
    """The runner ended without an outcome; another attempt may do better."""


class CancelledError(RuntimeError):
    """Somebody asked for the run to stop."""


class ShutdownError(RuntimeError):
    """This worker was told to stop."""


Heartbeat = Callable[[RunProgress], bool]


def run(plan: Plan, work_dir: Path, settings: Settings, heartbeat: Heartbeat) -> Outcome:
    """Do a plan in a process of its own, and keep its lease meanwhile.

    `heartbeat` stores progress and says whether to stop. The process is gone when this returns
    or raises.

    Raises:
        RunFailedError: it crashed, was killed, or took longer than the limit.
        LeaseLostError: another worker has the work, or the database was silent for too long.
        CancelledError, ShutdownError: it was stopped on purpose.
    """
    (work_dir / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.runner", str(work_dir), str(os.getpid())],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        # Threads that wait for each other must not burn the cores that the others need.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
    )
    try:
        Watch(process, settings, heartbeat).until_it_ends()
    finally:
        end(process)
    return read_outcome(process, work_dir)


class Watch:
    """One runner under watch."""

    def __init__(
        self, process: subprocess.Popen[str], settings: Settings, heartbeat: Heartbeat
    ) -> None:
        self._process = process
        self._settings = settings
        self._heartbeat = heartbeat
        self._progress = RunProgress()
        self._lines: SimpleQueue[ProgressLine] = SimpleQueue()
        self._started = self._last_beat = time.monotonic()

    def until_it_ends(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (it is a pipe)
        reader = Thread(target=self._read, args=[self._process.stdout], daemon=True)
        reader.start()
        while self._process.poll() is None:
            changed = self._drain()
            self._beat(changed)
            if stopping.is_set():
                raise ShutdownError("The worker was told to stop.")
            limit = self._settings.job_time_limit_seconds
            if time.monotonic() - self._started > limit:
                raise RunFailedError(f"It took longer than the limit of {limit:.0f} seconds.")
            time.sleep(POLL_SECONDS)
        reader.join(timeout=GRACE_SECONDS)

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            try:
                self._lines.put(ProgressLine.model_validate_json(line))
            except ValidationError:
                log.warning("a runner wrote a line that is no progress", length=len(line))

    def _drain(self) -> bool:
        changed = False
        while True:
            try:
                self._progress.add(self._lines.get_nowait())
            except Empty:
                return changed
            changed = True

    def _beat(self, changed: bool) -> None:
        lease = self._settings.lease_seconds
        silent = time.monotonic() - self._last_beat
        wait = min(LEAST_SECONDS_BETWEEN_BEATS, lease / 4) if changed else lease / 4
        if silent < wait:
            return
        try:
            stop = self._heartbeat(self._progress)
        except OperationalError:
            if silent > lease * FUSE:
                raise LeaseLostError("The database was silent for as long as the lease.") from None
            log.warning("heartbeat failed", silent_seconds=round(silent, 1))
            return
        self._last_beat = time.monotonic()
        if stop:
            raise CancelledError("Somebody asked for it to stop.")


def end(process: subprocess.Popen[str]) -> None:
    """End a runner and all that it started: politely, and then for certain."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("a runner had to be killed", pid=process.pid)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # Nobody of its group is left.
    finally:
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_outcome(process: subprocess.Popen[str], work_dir: Path) -> Outcome:
    path = work_dir / OUTCOME
    if process.returncode == 0 and path.exists():
        return TypeAdapter[Outcome](Outcome).validate_json(path.read_text(encoding="utf-8"))
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise RunFailedError(f"Its process was ended by {name}.")
    raise RunFailedError(f"Its process ended with code {process.returncode}; its log says why.")
