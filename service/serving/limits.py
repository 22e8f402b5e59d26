"""How long one caller may take, and how many there may be."""

import resource
from dataclasses import dataclass
from typing import Self

import structlog

from service.core.settings import Settings

# Descriptors for all that is no connection: 48 to the database, the spools of uploads, files of
# versions on their way out, logs, and refused callers that are still listened to.
RESERVE = 256

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """All times are in seconds.

    `crowded_rate` is in bytes a second: whoever sends a body more slowly makes room for a newcomer
    when there are as many connections as there may be.
    """

    connections: int = 1000
    head: float = 10
    idle: float = 30
    unread: float = 120
    crowded_rate: float = 16 * 1024
    # What still comes of a refused body is thrown away, so that its sender gets to the answer.
    drain: float = 30
    drain_bytes: int = 64 * 1024 * 1024
    linger: float = 5

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings, and no more connections than the system has descriptors for."""
        return cls(
            connections=connections_within(settings.connections),
            head=settings.head_seconds,
            idle=settings.idle_seconds,
            unread=settings.unread_seconds,
            crowded_rate=settings.crowded_bytes_per_second,
        )


def connections_within(wanted: int) -> int:
    """So many connections as wanted, or as the hard limit of descriptors leaves.

    The soft limit, which is 1,024 on most systems, is raised as far as is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    left = max(1, soft - RESERVE)
    log.warning("fewer connections than wanted", wanted=wanted, connections=left, descriptors=soft)
    return left
