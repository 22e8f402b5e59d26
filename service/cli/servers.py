"""Which database and broker a command talks to."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.core.sources import SETTING


@dataclass(frozen=True)
class Running:
    """What `unlearnd up` tells other commands of the same home while it runs."""

    pid: int
    url: str
    database_url: str
    redis_url: str
    sources: list[str] | None = None


def base_url(settings: Settings) -> str:
    """Where the API of these settings answers, as seen from this machine."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104  # nosec B104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def run_file(settings: Settings) -> Path:
    return settings.home_dir / "run.json"


@contextmanager
def announced(settings: Settings, running: Running) -> Iterator[None]:
    """Let other commands of this home find the servers, for the length of the block.

    The file is its owner's only, because the URLs hold passwords. It is locked as long as it is
    true, so one that a crash left behind deceives nobody.
    """
    path = run_file(settings)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, json.dumps(asdict(running)).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def find_running(settings: Settings) -> Running | None:
    """The `unlearnd up` of this home, or None if it does not run.

    Raises:
        ConfigurationError: the home is no folder, or may not be read.
    """
    try:
        handle = os.open(run_file(settings), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{run_file(settings)} cannot be read ({error.strerror}): set UNLEARND_HOME."
        ) from None
    with os.fdopen(handle, encoding="utf-8") as file:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Running(**json.load(file))
        return None


def with_servers(settings: Settings, *, redis: bool = True) -> Settings:
    """Settings that name the servers: those of the environment, or of a running `unlearnd up`.

    Raises:
        ConfigurationError: neither names them.
    """
    if settings.database_url and (settings.redis_url or not redis):
        return settings
    running = find_running(settings)
    if running is None:
        raise ConfigurationError(
            "There is no server to talk to: start `unlearnd up` with the same UNLEARND_HOME, or "
            "set UNLEARND_DATABASE_URL" + (" and UNLEARND_REDIS_URL." if redis else ".")
        )
    return settings.model_copy(
        update={
            "database_url": settings.database_url or running.database_url,
            "redis_url": settings.redis_url or running.redis_url,
            "sources": running.sources if settings.sources is None else settings.sources,
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that is to use these settings."""
    named = {
        "UNLEARND_HOME": str(settings.home_dir),
        "UNLEARND_STORAGE": str(settings.storage_dir),
        "UNLEARND_WORK_DIR": str(settings.scratch_dir),
        "UNLEARND_DATABASE_URL": settings.database_url or "",
        "UNLEARND_REDIS_URL": settings.redis_url or "",
        "UNLEARND_HOST": settings.host,
        "UNLEARND_PORT": str(settings.port),
    }
    inherited = {name: value for name, value in os.environ.items() if name != SETTING}
    if settings.sources is not None:
        named[SETTING] = ",".join(settings.sources)
    return {**inherited, **named}
