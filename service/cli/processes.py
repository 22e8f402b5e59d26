"""Commands that are one process each, for `unlearnd up`, containers and init systems."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from service.cli.preflight import (
    make_folder,
    refuse_taken_address,
    refuse_unreachable_database,
)
from service.cli.servers import environment, with_servers
from service.core import actors
from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.logging import configure_logging, log_what_nobody_handles
from service.core.messages import Queue, celery_app
from service.core.settings import Settings
from service.supervisor import stop_signals


def with_database(*, redis: bool = False) -> Settings:
    """Settings that name the servers, of which the database answers.

    Redis may come later: the dispatcher rings again, and a worker waits for it.

    Raises:
        ConfigurationError: a server is not named, or the database does not answer.
    """
    settings = with_servers(Settings(), redis=redis)
    assert settings.database_url  # noqa: S101 (with_servers names it)
    refuse_unreachable_database(settings.database_url)
    return settings


def api() -> None:
    """Serve the API on UNLEARND_HOST:UNLEARND_PORT."""
    from service.serving import serve

    settings = with_database()
    refuse_taken_address(settings.host, settings.port)
    make_folder(settings.spool_dir, "UNLEARND_UPLOAD_DIR or UNLEARND_HOME", mode=0o700)
    os.environ.update(environment(settings))
    configure_logging(settings.log_level, process="api")
    log_what_nobody_handles()
    serve(settings)


def worker(
    queue: Annotated[
        Queue, typer.Option(help="gpu: unlearning jobs. cpu: indexing and validation.")
    ] = "gpu",
) -> None:
    """Run a worker: one per GPU on the queue gpu, and at least one anywhere on the queue cpu."""
    if find_spec("torch") is None:
        raise ConfigurationError('A worker needs torch: pip install "unlearnd[worker]".')
    settings = with_database(redis=True)
    make_folder(settings.scratch_dir, "UNLEARND_WORK_DIR or UNLEARND_HOME", mode=0o700)
    make_folder(settings.storage_dir, "UNLEARND_STORAGE or UNLEARND_HOME")
    os.environ.update(environment(settings))
    # Celery tells of its end on standard output, past every logger; a worker has no other output.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    command = worker_command(queue, settings)
    os.execv(sys.executable, command)  # noqa: S606 (a shell would add nothing)


def worker_command(queue: Queue, settings: Settings) -> list[str]:
    """What a worker becomes.

    A run has all that its worker sees. A registration that hangs must not hold up the next one.
    """
    at_once = settings.registrations_at_once if queue == "cpu" else 1
    # Threads, so that the supervisor answers and keeps its lease while its run computes.
    return [
        *(sys.executable, "-m", "celery", "-q", "-A", "workers.app", "worker"),
        *("-P", "threads", "-c", str(at_once), "-Q", queue, "-n", f"{queue}-{os.getpid()}@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", settings.log_level),
    ]


def dispatcher() -> None:
    """Find what is due and ring for it. Any number may run."""
    from service.dispatcher.loop import run

    settings = with_database(redis=True)
    assert settings.database_url and settings.redis_url  # noqa: S101, PT018 (with_servers names both)
    configure_logging(settings.log_level, process="dispatcher")
    log_what_nobody_handles()
    database = Database(
        settings.database_url,
        pool_size=2,
        application="unlearnd dispatcher",
        actor=actors.DISPATCHER,
        patience=settings.database_patience_seconds,
    )
    with stop_signals() as signals:
        run(database, celery_app(settings, settings.redis_url), settings, signals.stop)
    database.dispose()


def migrate() -> None:
    """Bring the database to this release's schema. Safe to run twice, and by two at once."""
    settings = with_database()
    assert settings.database_url  # noqa: S101 (with_servers names it)
    # Alembic takes a tenth of a second to import, which no other of these processes needs.
    from service.core import schema

    schema.upgrade(settings.database_url)
