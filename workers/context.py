"""What every task of a worker process shares, made once."""

import os
import socket
from functools import cache

from service.core.db import Database
from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.core.storage import LocalStore


@cache
def settings() -> Settings:
    return Settings()


@cache
def database() -> Database:
    url = settings().database_url
    if url is None:
        raise ConfigurationError("Set UNLEARND_DATABASE_URL, or run `unlearnd up`.")
    return Database(url, pool_size=4, application="unlearnd worker")


@cache
def store() -> LocalStore:
    return LocalStore(settings().storage_dir)


def owner() -> str:
    """Who holds a lease, for people: leases are told apart by their fence."""
    return f"{socket.gethostname()}:{os.getpid()}"
