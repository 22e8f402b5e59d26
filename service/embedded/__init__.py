"""A real PostgreSQL and a real Redis-compatible server, ours, under the home."""

from service.embedded.errors import EmbeddedServerError
from service.embedded.pair import ServerURLs, StartedURLs, embedded_pair
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.redis import EmbeddedRedis

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerError",
    "ServerURLs",
    "StartedURLs",
    "embedded_pair",
]
