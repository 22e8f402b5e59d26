"""Letting requests in: as many at a time as there are connections for them."""

from contextlib import ExitStack

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.bodies import BodyReader, is_for_known_callers
from service.api.callers import Callers
from service.api.places import CallerGoneError, Places
from service.api.problems import AWAY, refuse, refuse_for_now
from service.core.errors import DomainError

# Whoever is let in needs one thread at a time, and holds one connection from its first thread to
# its last. If more were let in than there are threads, all threads could wait for connections
# whose holders wait for a thread. So CONNECTIONS are let in, and nobody of them waits for either:
# AnyIO has 40 threads, and the pool 20 connections and 20 more. What is not counted here has
# threads of its own, and connections out of what is left: EXPORTS pages of exports and PROBES
# looks at the database at a time.
CONNECTIONS = 20
EXPORTS = 8
PROBES = 2

PATIENCE_SECONDS = 30.0
UNCOUNTED = frozenset({"/livez", "/readyz", "/docs", "/openapi.json"})


class Admission:
    """Reads a request's body, waits for a place, and only then calls the application.

    Routes that are `by_themselves` (method and path) read their bodies and take places on their
    own. A place is free again when the answer begins: by then everything is committed, and whoever
    reads a file or an export slowly keeps nobody waiting. Nor does whoever sends slowly.
    Of a stranger only a small body is read, and the application refuses it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        bodies: BodyReader,
        callers: Callers,
        places: Places,
        by_themselves: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.app = app
        self.bodies = bodies
        self.callers = callers
        self.places = places
        self.by_themselves = by_themselves

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_not_counted(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                if is_for_known_callers(scope):
                    await self.callers.check(scope)
                body: bytes | None = await self.bodies.read(scope, receive, held)
                await self.places.take(held, receive)
            except CallerGoneError:
                return
            except DomainError as error:
                await refuse(Request(scope), error)(scope, receive, send)
                return
            except AWAY as error:
                await refuse_for_now(Request(scope), error)(scope, receive, send)
                return

            async def replayed() -> Message:
                nonlocal body
                if body is None:
                    return await receive()
                message, body = {"type": "http.request", "body": body}, None
                return message

            async def leave_and_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    held.close()
                await send(message)

            await self.app(scope, replayed, leave_and_send)

    def _is_not_counted(self, method: str, path: str) -> bool:
        return path in UNCOUNTED or (method, path) in self.by_themselves
