"""The whole service on this machine: what `unlearnd up` and `unlearnd demo` run."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import httpx2

from service.cli.console import SUPERVISED
from service.cli.keys import ensure_admin_key
from service.cli.preflight import (
    make_folder,
    refuse_taken_address,
    refuse_unreachable_broker,
    refuse_unreachable_database,
)
from service.cli.servers import Running, announced, base_url, environment, find_running
from service.core import actors, schema
from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.embedded import embedded_pair
from service.embedded.keeper import Keeper
from service.supervisor import Child, StopSignals, Supervisor

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    """A service that answers, and the supervisor of its processes."""

    url: str
    key: str
    supervisor: Supervisor
    settings: Settings
    servers: Keeper

    def run_until(self, stop: Event) -> None:
        """Keep servers and processes running until `stop` is set.

        Raises:
            EmbeddedServerError, CrashLoopError: one of them dies again and again.
        """
        # The servers first: the processes need them.
        self.supervisor.run_forever(stop, beside=self.servers.poll)


@contextmanager
def stack(settings: Settings, signals: StopSignals, logs: Path | None) -> Iterator[Stack]:
    """Start everything that is not named in the settings, and leave nothing running.

    `logs` is a folder for the processes' logs; without it they write where we write.

    Raises:
        ConfigurationError: the port is taken, torch is missing, the home is in use or no folder, or
            a server that is named does not answer.
        EmbeddedServerError, CrashLoopError: something does not start.
    """
    refuse_what_cannot_work(settings)
    own_postgres, own_redis = settings.database_url is None, settings.redis_url is None
    with embedded_pair(settings.home_dir, postgres=own_postgres, redis=own_redis) as urls:
        settings = settings.model_copy(
            update={
                "database_url": urls.database_url or settings.database_url,
                "redis_url": urls.redis_url or settings.redis_url,
            }
        )
        key = prepare_database(settings)
        url = base_url(settings)
        with Supervisor(at_once=signals.at_once) as supervisor:
            supervisor.start(children(settings, logs))
            # Announced first: whoever has seen /readyz answer may call any command at once.
            with announced(settings, running(settings, url)):
                wait_until_ready(url, supervisor, urls.keeper, signals)
                yield Stack(url, key, supervisor, settings, urls.keeper)


def running(settings: Settings, url: str) -> Running:
    urls = (settings.database_url or "", settings.redis_url or "")
    return Running(os.getpid(), url, *urls, settings.sources)


def refuse_what_cannot_work(settings: Settings) -> None:
    other = find_running(settings)
    if other is not None:
        raise ConfigurationError(
            f"`unlearnd up` runs on this home already, at {other.url} (process {other.pid})."
        )
    if find_spec("torch") is None:
        raise ConfigurationError('The workers need torch: pip install "unlearnd[worker]".')
    make_folder(settings.home_dir, "UNLEARND_HOME")
    refuse_taken_address(settings.host, settings.port)
    if settings.database_url is not None:
        refuse_unreachable_database(settings.database_url)
    if settings.redis_url is not None:
        refuse_unreachable_broker(settings.redis_url)


def prepare_database(settings: Settings) -> str:
    """Migrate, and make the administrator's key; returns the key."""
    assert settings.database_url  # noqa: S101 (the caller fills it in)
    schema.upgrade(settings.database_url)
    database = Database(settings.database_url, pool_size=1, actor=actors.CLI)
    try:
        return ensure_admin_key(database, settings.admin_key_file)
    finally:
        database.dispose()


def children(settings: Settings, logs: Path | None) -> list[Child]:
    env = {**environment(settings), SUPERVISED: "1"}

    def child(name: str, *command: str) -> Child:
        args = [sys.executable, "-m", "service.cli", *command]
        return Child(name, args, env, logs / f"{name}.log" if logs else None)

    return [
        child("api", "api"),
        child("dispatcher", "dispatcher"),
        child("worker-gpu", "worker", "--queue", "gpu"),
        child("worker-cpu", "worker", "--queue", "cpu"),
    ]


def wait_until_ready(
    url: str, supervisor: Supervisor, servers: Keeper, signals: StopSignals
) -> None:
    """Return once `/readyz` answers 200."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not signals.stop.is_set():
        servers.poll()
        supervisor.poll()
        try:
            if httpx2.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            pass  # It does not listen yet.
        time.sleep(0.1)
    if not signals.stop.is_set():
        raise ConfigurationError(f"{url}/readyz did not answer 200 in {READY_SECONDS:.0f} s.")
