"""Who may have a large body read: callers whose key is known."""

import hashlib
import time
from typing import Protocol

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import Scope

from service.api.auth import authenticate, key_in
from service.core.db import Database

# Look-ups at a time; the pool has that many connections left beside those that are counted.
LOOKUPS = 4
# A key that was recognised is believed for this long, so that a stream of large bodies costs no
# look-up each. It lets a revoked one have a body read, and nothing else: every route asks the
# database itself, in the transaction in which it acts.
BELIEVED_SECONDS = 10.0
MOST_BELIEVED = 1000


class Callers(Protocol):
    async def check(self, scope: Scope) -> None:
        """Raise UnauthorizedError for a stranger."""


class KnownCallers:
    """Tells strangers apart before anything of theirs is read."""

    def __init__(self, database: Database, *, believed: float = BELIEVED_SECONDS) -> None:
        self._database = database
        self._believed = believed
        self._until: dict[bytes, float] = {}
        self._limiter: CapacityLimiter | None = None

    async def check(self, scope: Scope) -> None:
        """Return if the caller's key is known.

        Raises:
            UnauthorizedError: there is no key, or nobody has it.
        """
        given = Headers(scope=scope).get("authorization")
        digest = hashlib.sha256(key_in(given).encode()).digest()
        if self._until.get(digest, 0.0) > time.monotonic():
            return
        # Made here, because a limiter belongs to the event loop that first uses it.
        self._limiter = self._limiter or CapacityLimiter(LOOKUPS)
        await run_sync(self._look, given, limiter=self._limiter)
        if len(self._until) >= MOST_BELIEVED:
            self._until.clear()
        self._until[digest] = time.monotonic() + self._believed

    def _look(self, authorization: str | None) -> None:
        with self._database.session() as session:
            authenticate(session, authorization)
