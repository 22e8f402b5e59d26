"""Embedded servers that die are started again, in the place where they were."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from service.embedded.errors import EmbeddedServerError
from service.embedded.server import EmbeddedServer

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RestartPolicy:
    """In seconds. `deaths` within `within` are one too many: then starting again mends nothing.

    The first restart comes at once, and each further one waits for longer.
    """

    deaths: int = 5
    within: float = 120
    wait: float = 1

    def wait_after(self, deaths: int) -> float:
        return 0 if deaths <= 1 else self.wait * 2.0 ** (deaths - 2)


class Keeper:
    """Looks after the servers of a home, one short look at a time: it never waits.

    Use it from the thread that started them: when that one ends, the kernel ends the servers.
    """

    def __init__(
        self, servers: Iterable[EmbeddedServer] = (), policy: RestartPolicy | None = None
    ) -> None:
        self._kept = [_Kept(server, policy or RestartPolicy()) for server in servers]

    def poll(self) -> None:
        """Look once: note who died, start who is due, and see who answers again.

        Raises:
            EmbeddedServerError: one dies again and again, or its program is gone.
        """
        for kept in self._kept:
            kept.poll()


class _Kept:
    """One server, and its deaths of late."""

    def __init__(self, server: EmbeddedServer, policy: RestartPolicy) -> None:
        self._server, self._policy = server, policy
        self._deaths: deque[float] = deque()
        self._restart_at: float | None = None
        self._started_at: float | None = None

    def poll(self) -> None:
        how = self._server.bury()
        if how is None and self._is_late():
            how = f"no answer {self._server.start_limit:g} s after its start"
            self._server.kill()
        if how is not None:
            self._note_death(how)
        elif self._restart_at is not None:
            self._start_if_due(self._restart_at)
        elif self._started_at is not None and self._server.answers():
            seconds = round(time.monotonic() - self._started_at, 1)
            log.info("server restarted", server=self._server.title, seconds=seconds)
            self._started_at = None

    def _is_late(self) -> bool:
        if self._started_at is None:
            return False
        return time.monotonic() - self._started_at > self._server.start_limit

    def _note_death(self, how: str) -> None:
        now = time.monotonic()
        self._started_at = None
        self._deaths.append(now)
        while now - self._deaths[0] > self._policy.within:
            self._deaths.popleft()
        count = len(self._deaths)
        if count >= self._policy.deaths:
            raise EmbeddedServerError(
                f"{self._server.title} ended {count} times within {self._policy.within:g} s (last: "
                f"{how}). See {self._server.log_file}."
            )
        wait = self._policy.wait_after(count)
        self._restart_at = now + wait
        log.warning("server died", server=self._server.title, how=how, restart_in=wait)

    def _start_if_due(self, due: float) -> None:
        if time.monotonic() >= due and self._server.start_again():
            self._restart_at, self._started_at = None, time.monotonic()
