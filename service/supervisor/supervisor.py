"""Keep a handful of child processes running, and end them all."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from service.core.errors import CannotStartError
from service.supervisor.spawn import describe_exit, has_exited, reap, spawn

POLL_SECONDS = 0.1

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class CrashLoopError(CannotStartError):
    """A child ended at once, again and again: it is set up wrongly."""


@dataclass(frozen=True)
class Child:
    """A program to keep running. No `env`: ours. No `log`: it writes where we write."""

    name: str
    args: Sequence[str]
    env: Mapping[str, str] | None = None
    log: Path | None = None


@dataclass(frozen=True)
class RestartPolicy:
    """When a dead child comes back, in seconds.

    The wait doubles from `first_wait` to `longest_wait`, and starts over once a child has
    stayed up for `steady_after`. A child that has never lived for `settled_after`, and has died
    `give_up_after` times, ends the supervisor. One that once did is restarted for ever, because
    what it needs may have gone away and may come back. Half a minute, because a worker imports
    for long before it looks at its settings.
    """

    first_wait: float = 1
    longest_wait: float = 30
    steady_after: float = 60
    settled_after: float = 30
    give_up_after: int = 5

    def wait(self, deaths: int) -> float:
        return min(self.longest_wait, self.first_wait * 2.0 ** min(deaths - 1, 30))


class _Kept:
    """A child, its present process, and how often in a row it died."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at = 0.0
        self.deaths = 0
        self.settled = False

    def start(self) -> None:
        # SIGKILL, because a child that ignores or outsits another signal would outlive us.
        # Whatever it leaves half done is found by its lease.
        if self.child.log is None:
            self.process = spawn(self.child.args, death_signal=signal.SIGKILL, env=self.child.env)
        else:
            self.child.log.parent.mkdir(parents=True, exist_ok=True)
            with self.child.log.open("ab") as output:
                self.process = spawn(
                    self.child.args,
                    death_signal=signal.SIGKILL,
                    env=self.child.env,
                    stdout=output,
                    stderr=output,
                )
        self.started_at = time.monotonic()

    def note_death(self, policy: RestartPolicy) -> float:
        """Count a death; returns how long to wait before the next start."""
        lived = time.monotonic() - self.started_at
        self.settled = self.settled or lived >= policy.settled_after
        self.deaths = 1 if lived >= policy.steady_after else self.deaths + 1
        wait = policy.wait(self.deaths)
        self.restart_at = time.monotonic() + wait
        return wait


class Supervisor:
    """Starts children, restarts what dies, and leaves nothing running.

    Use it from one thread that lives as long as the children: when the thread that started a
    child ends, the kernel kills the child. As a context manager it stops them at the end.
    """

    def __init__(
        self,
        *,
        policy: RestartPolicy | None = None,
        grace: float = 30,
        at_once: threading.Event | None = None,
    ) -> None:
        """`grace` is how long `stop` waits before it kills; setting `at_once` cuts it short."""
        self._policy = policy or RestartPolicy()
        self._grace = grace
        self._at_once = at_once or threading.Event()
        self._kept: list[_Kept] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """The children that run now, by name."""
        return {kept.child.name: kept.process.pid for kept in self._kept if kept.process}

    def start(self, children: Iterable[Child]) -> None:
        """Start children in this order, beside those that run already."""
        for child in children:
            kept = _Kept(child)
            kept.start()
            self._kept.append(kept)

    def poll(self) -> None:
        """Look once: note who died, restart who is due.

        Raises:
            CrashLoopError: A child keeps ending at once.
        """
        for kept in self._kept:
            if kept.process is None:
                if time.monotonic() >= kept.restart_at:
                    kept.start()
                    log.info("child_restarted", child=kept.child.name, deaths=kept.deaths)
            elif has_exited(kept.process):
                self._bury(kept, kept.process)

    def run_forever(self, stop: threading.Event, beside: Callable[[], None] | None = None) -> None:
        """Keep the children running until `stop` is set, and do this `beside` before each look.

        Raises:
            CrashLoopError: A child keeps ending at once.
        """
        while not stop.wait(POLL_SECONDS):
            if beside is not None:
                beside()
            self.poll()

    def stop(self) -> None:
        """End every child: SIGTERM, the last one first; after the grace SIGKILL."""
        running = [(kept, kept.process) for kept in reversed(self._kept) if kept.process]
        for _, process in running:
            # `Popen.terminate` would reap a child that has ended, and lose sight of its group.
            os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while not all(has_exited(process) for _, process in running):
            if time.monotonic() > deadline or self._at_once.wait(POLL_SECONDS / 2):
                break
        for kept, process in running:
            if not has_exited(process):
                log.warning("child_killed", child=kept.child.name)
            reap(process)
        self._kept.clear()

    def _bury(self, kept: _Kept, process: subprocess.Popen[bytes]) -> None:
        how = describe_exit(reap(process))
        kept.process = None
        wait = kept.note_death(self._policy)
        if not kept.settled and kept.deaths >= self._policy.give_up_after:
            where = f" See {kept.child.log}." if kept.child.log else ""
            raise CrashLoopError(
                f"{kept.child.name} ended {kept.deaths} times right after its start"
                f" (last: {how}).{where}"
            )
        log.warning("child_died", child=kept.child.name, how=how, restart_in=wait)
