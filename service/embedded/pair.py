"""Both embedded servers at once, or the one that is missing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from service.embedded.keeper import Keeper
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.redis import EmbeddedRedis


@dataclass(frozen=True)
class StartedURLs:
    """Where the servers that were asked for listen; None for the other.

    `keeper` starts those that die again, as long as somebody has it look.
    """

    database_url: str | None
    redis_url: str | None
    keeper: Keeper = field(default_factory=Keeper, compare=False)


@dataclass(frozen=True)
class ServerURLs(StartedURLs):
    """Where both servers listen."""

    database_url: str
    redis_url: str


@overload
def embedded_pair(home: Path) -> AbstractContextManager[ServerURLs]: ...


@overload
def embedded_pair(
    home: Path, *, postgres: bool = True, redis: bool = True
) -> AbstractContextManager[StartedURLs]: ...


def embedded_pair(
    home: Path, *, postgres: bool = True, redis: bool = True
) -> AbstractContextManager[StartedURLs]:
    """Run the servers of a home for the length of a block, and end them after it.

    Raises:
        EmbeddedServerError: One of them does not start; the other is ended again.
    """
    return _pair(home, postgres=postgres, redis=redis)


@contextmanager
def _pair(home: Path, *, postgres: bool, redis: bool) -> Iterator[StartedURLs]:
    own_postgres = EmbeddedPostgres(home) if postgres else None
    own_redis = EmbeddedRedis(home) if redis else None
    keeper = Keeper(server for server in (own_postgres, own_redis) if server is not None)
    with ExitStack() as running:
        database_url = running.enter_context(own_postgres) if own_postgres else None
        redis_url = running.enter_context(own_redis) if own_redis else None
        if database_url is not None and redis_url is not None:
            yield ServerURLs(database_url, redis_url, keeper)
        else:
            yield StartedURLs(database_url, redis_url, keeper)
