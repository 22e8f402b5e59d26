"""What every task of a worker process shares, made once."""

import os
import socket
from functools import cache

from service.core import actors
from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.core.storage import LocalStore


@cache
def settings() -> Settings:
    return Settings()


def database_url() -> str:
    url = settings().database_url
    if url is None:
        raise ConfigurationError("Set UNLEARND_DATABASE_URL, or run `unlearnd up`.")
    return url


@cache
def database() -> Database:
    """For short transactions: one that hangs is given up in half of the lease."""
    patience = settings().lease_seconds / 2
    size = 2 + 2 * settings().registrations_at_once
    return Database(
        database_url(),
        pool_size=size,
        application="unlearnd worker",
        actor=actors.worker(),
        patience=patience,
    )


@cache
def bulk_database() -> Database:
    """For reading and writing millions of rows, which takes as long as it takes."""
    return Database(
        database_url(),
        pool_size=settings().registrations_at_once,
        application="unlearnd worker",
        actor=actors.worker(),
        watched_by=database(),
    )


@cache
def store() -> LocalStore:
    return LocalStore(settings().storage_dir)


def owner() -> str:
    """Who holds a lease, for people: leases are told apart by their fence."""
    return f"{socket.gethostname()}:{os.getpid()}"
