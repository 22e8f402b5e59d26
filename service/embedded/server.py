"""What the two embedded servers have in common: locks, ports, readiness, ending."""

import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import ClassVar

from service.embedded.errors import EmbeddedServerError
from service.embedded.files import holders_of, locked, open_log, private_folder, read_from
from service.supervisor.spawn import Identity, describe_exit, has_exited, reap, spawn

HOST = "127.0.0.1"
NOBODY = 65534
PORT_ATTEMPTS = 5
POLL_SECONDS = 0.03
LOG_LINES_SHOWN = 10
SERVER_LOCK = "server.lock"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _root_hint() -> str:
    if os.geteuid() != 0:
        return ""
    return (
        " Root needs CAP_CHOWN, CAP_SETUID, CAP_SETGID, CAP_KILL and CAP_DAC_OVERRIDE for it;"
        " an ordinary user needs nothing."
    )


def server_environment() -> dict[str, str]:
    """A short environment: PG… and locale variables of the user would change the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


class EmbeddedServer(ABC):
    """A server process of ours, with its files in a folder of the home.

    It ends with us: by `stop`, at the end of a `with` block, or by the kernel if we are
    killed. The kernel also takes the end of the thread that called `start` for our death, so
    call it from a thread that lives as long as the server should.
    """

    title: ClassVar[str]
    folder: ClassVar[str]
    setting: ClassVar[str]
    death_signal: ClassVar[Signals]
    # Each signal, and the seconds that it has to work, before SIGKILL.
    stop_signals: ClassVar[Sequence[tuple[Signals, float]]]
    start_limit: ClassVar[float]
    # How long the servers of an owner that was killed may take to end.
    orphan_limit: ClassVar[float] = 15

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.directory = self.home / self.folder
        self.log_file = self.home / "log" / f"{self.folder}.log"
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = -1
        self._port = 0
        self._log_start = 0

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start the server and wait until it answers; returns its URL.

        Raises:
            EmbeddedServerError: The home's server runs already, or it does not start.
        """
        with ExitStack() as undo:
            try:
                private_folder(self.home)
                private_folder(self.directory)
                private_folder(self.log_file.parent)
                self._take_locks(undo)
                undo.callback(self._end)
                self._prepare()
                url = self._start_on_a_free_port()
            except OSError as error:
                raise EmbeddedServerError(
                    f"{self.title} does not start: {error}.{_root_hint()} Or set {self.setting}."
                ) from error
            self._running = undo.pop_all()
        return url

    def stop(self) -> None:
        """End the server and wait until it is gone. Without a running server, do nothing."""
        self._running.close()

    def bury(self) -> str | None:
        """How a server that was started has ended by itself; None as long as it has not."""
        process = self._process
        if process is None or not has_exited(process):
            return None
        self._process = None
        return describe_exit(reap(process))

    def kill(self) -> None:
        """End a server that does not answer."""
        process, self._process = self._process, None
        if process is not None:
            reap(process)

    def start_again(self) -> bool:
        """Start a server that has ended, at the address which others know; do not wait for it.

        Returns whether it was started: what is left of the old one may have to end first.

        Raises:
            EmbeddedServerError: its program or its files are gone.
        """
        left = holders_of(self.directory / SERVER_LOCK) - {os.getpid()}
        for pid in left:
            # They may write to what the new one will read.
            with suppress(ProcessLookupError):
                os.kill(pid, Signals.SIGKILL)
        if left:
            return False
        try:
            self._clean_up()
            self._process = self._launch(self._port)
        except OSError as error:
            raise EmbeddedServerError(
                f"{self.title} does not start again: {error}. Or set {self.setting}."
            ) from error
        return True

    def answers(self) -> bool:
        return self._answers(self._port)

    @abstractmethod
    def _clean_up(self) -> None:
        """Remove what a server that ended by itself has left in the way of the next one."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what has to be there before the server starts."""

    @abstractmethod
    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server's process."""

    @abstractmethod
    def _url(self, port: int) -> str: ...

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Whether a real request gets a real answer."""

    def _identity(self, folder: Path) -> Identity | None:
        """Whom the server runs as: us; where we are root, the folder's owner or nobody."""
        if os.geteuid() != 0:
            return None
        status = folder.stat()
        if status.st_uid == 0:
            return Identity(NOBODY, NOBODY)
        return Identity(status.st_uid, status.st_gid)

    def _spawn(
        self,
        args: Sequence[str],
        *,
        folder: Path,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start one of the server's programs; what it says goes to the log."""
        with open_log(self.log_file) as log:
            self._log_start = log.tell()
            return spawn(
                args,
                death_signal=self.death_signal,
                identity=self._identity(folder),
                env=server_environment(),
                cwd=folder,
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                pass_fds=[self._lock],
            )

    def _take_locks(self, undo: ExitStack) -> None:
        """Make sure that nobody else runs this home's server, nor a remainder of it.

        The owner's lock is ours alone and tells another owner at once. The server's lock is
        inherited by the server: after an owner was killed, it stays until the server has ended.
        """
        owner = undo.enter_context(locked(self.directory / "owner.lock", patience=0))
        if owner is None:
            raise EmbeddedServerError(
                f"The {self.title} of {self.home} is already in use; stop that process first."
            )
        server = undo.enter_context(
            locked(self.directory / SERVER_LOCK, patience=self.orphan_limit)
        )
        if server is None:
            raise EmbeddedServerError(
                f"The {self.title} of {self.home} still runs, though its owner has ended."
            )
        self._lock = server

    def _start_on_a_free_port(self) -> str:
        """Start it, on another port if someone takes the first one in between."""
        for _ in range(PORT_ATTEMPTS):
            port = self._port = free_port()
            self._process = self._launch(port)
            if self._wait_until_ready(port):
                return self._url(port)
            how = describe_exit(reap(self._process))
            self._process = None
            if "Address already in use" not in read_from(self.log_file, self._log_start):
                raise self._failure(f"{self.title} ended at its start: {how}.")
        raise EmbeddedServerError(f"{self.title} found no free port on {HOST}.")

    def _wait_until_ready(self, port: int) -> bool:
        """Wait for an answer; False if the server has ended."""
        deadline = time.monotonic() + self.start_limit
        while self._process and not has_exited(self._process):
            if self._answers(port):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"{self.title} does not answer after {self.start_limit:g} s."
                    f" See {self.log_file}."
                )
            time.sleep(POLL_SECONDS)
        return False

    def _failure(self, sentence: str) -> EmbeddedServerError:
        """An error with the last words of the program that was started last."""
        said = read_from(self.log_file, self._log_start)
        tail = said.strip().splitlines()[-LOG_LINES_SHOWN:]
        return EmbeddedServerError("\n".join([f"{sentence} See {self.log_file}.", *tail]))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            for number, seconds in self.stop_signals:
                if not has_exited(process):
                    os.kill(process.pid, number)
                    self._wait_for_end(process, seconds)
        finally:
            reap(process)

    def _wait_for_end(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not has_exited(process) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
