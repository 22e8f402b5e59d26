"""Long bodies that are streamed to disk: how many at a time, and who may send one."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive

from service.api.auth import authenticate
from service.api.bodies import BodyReader
from service.api.deps import DatabaseDep
from service.api.places import Places
from service.api.strict import Handler, StrictRoute
from service.core.keys import Caller

# Each may take as much disk as the limit allows, and then one connection and PostgreSQL's time.
UPLOADS = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Uploads:
    """What uploads share in one process.

    An upload needs no connection while it is sent, so it is not let in like other requests. It
    takes its turn with them, at one of their `places`, whenever it does come to the database.
    """

    body: BodyReader
    places: Places
    rooms: Places
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADS))

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """One of the few uploads at a time.

        Raises:
            BusyError: the others took too long.
        """
        with ExitStack() as held:
            await self.rooms.take(held)
            yield

    async def in_turn(self, work: Callable[[], T], receive: Receive | None = None) -> T:
        """What `work` returns, which needs a connection; `receive` only once the body is read.

        Raises:
            BusyError: no other request made room in time.
            CallerGoneError: the caller did not wait for it.
        """
        with ExitStack() as held:
            await self.places.take(held, receive)
            return await run_sync(work)

    async def on_disk(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self.threads)


async def get_uploads(request: Request) -> Uploads:
    return cast("Uploads", request.app.state.uploads)


UploadsDep = Annotated[Uploads, Depends(get_uploads)]


async def authenticate_alone(
    uploads: UploadsDep,
    database: DatabaseDep,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Caller:
    """The caller's key, from a transaction that is over before the body is read.

    Raises:
        UnauthorizedError: as `authenticate` does.
    """

    def look() -> Caller:
        with database.unit_of_work() as session:
            return authenticate(session, authorization)

    return await uploads.in_turn(look)


SenderDep = Annotated[Caller, Depends(authenticate_alone)]


class UploadRoute(StrictRoute):
    """A route for known callers only, which does all that needs the database on its own."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def known_callers_first(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                # A stranger is told that, and not what is wrong with the request.
                uploads, database = request.app.state.uploads, request.app.state.database
                await authenticate_alone(uploads, database, request.headers.get("authorization"))
                raise

        return known_callers_first
