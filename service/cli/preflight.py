"""What a command needs before it starts, each lack as one sentence that names the setting.

No sentence holds a password: URLs are told by host and database only.
"""

import os
import socket
from pathlib import Path

from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.core.errors import ConfigurationError

PATIENCE_SECONDS = 5


def refuse_unreachable_database(url: str) -> None:
    """Connect once.

    Raises:
        ConfigurationError: PostgreSQL does not answer, or does not let us in.
    """
    parsed = make_url(url)
    engine = create_engine(
        parsed, poolclass=NullPool, connect_args={"connect_timeout": PATIENCE_SECONDS}
    )
    try:
        engine.connect().close()
    except DBAPIError as error:
        raise ConfigurationError(
            f"PostgreSQL at {place_of(parsed)} cannot be used ({said_by(error, parsed)}): "
            "start it, or set UNLEARND_DATABASE_URL."
        ) from None


def place_of(url: URL) -> str:
    host = url.host or url.query.get("host") or "the local socket"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def said_by(error: DBAPIError, url: URL) -> str:
    """The last line of what the driver said, which is the server's own word where it has one."""
    lines = [line.strip(" \t-") for line in str(error.orig).splitlines() if line.strip()]
    told = [line for line in lines if "failed: " in line or "FATAL" in line] or lines
    text = (told[-1] if told else type(error.orig).__name__).removesuffix(".")
    text = text.rsplit("failed: ", 1)[-1]
    return text.replace(str(url.password), "***") if url.password else text


def refuse_unreachable_broker(url: str) -> None:
    """Ask Redis for an answer.

    Raises:
        ConfigurationError: there is none.
    """
    options = {"socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS}
    try:
        with Connection(url, transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, interval_start=1, timeout=PATIENCE_SECONDS)
    except BrokerError as error:
        cause = type(error.__cause__ or error).__name__
        raise ConfigurationError(
            f"Redis does not answer at UNLEARND_REDIS_URL ({cause}): start it, or set another one."
        ) from None


def refuse_taken_address(host: str, port: int) -> None:
    """Listen there for a moment.

    Raises:
        ConfigurationError: somebody else listens there, or nobody can.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no such host"
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on ({reason}): "
                "set UNLEARND_PORT or UNLEARND_HOST."
            ) from None


def make_folder(folder: Path, setting: str, mode: int = 0o777) -> None:
    """Make a folder that is to be written to, if it is not there.

    Raises:
        ConfigurationError: it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK | os.X_OK)
        reason = "it may not be written to"
    except OSError as error:
        usable, reason = False, str(error.strerror)
    if not usable:
        raise ConfigurationError(f"{folder} cannot be used ({reason}): set {setting}.")
