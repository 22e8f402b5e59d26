"""One transaction for each request, in one thread, and over before its answer.

Every change of threads, and every dependency that FastAPI solves, costs as much as a statement. So
a route of this kind does all that needs the database in one go: it recognises the caller, runs the
route's function, and commits.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Annotated, Any, cast

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Depends, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from sqlalchemy.orm import Session

from service.api.auth import authenticate
from service.api.strict import Handler, StrictRoute
from service.core.db import Database
from service.core.keys import Caller

SESSION = "session"
GIVEN_KEY, CALLER = "authorization", "caller"


async def get_session(request: Request) -> Session:
    return cast("Session", request.state.session)


SessionDep = Annotated[Session, Depends(get_session)]


def caller_of(session: Session) -> Caller:
    """Whose request it is that has this session."""
    return cast("Caller", session.info[CALLER])


class TransactionRoute(StrictRoute):
    """A route whose function takes a `session`, and is called for known callers only.

    The session is committed when the function returns, before anything is answered: a 2xx that
    could still fail to commit would be a lie. When it raises, all is rolled back.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, in_one_transaction(endpoint), **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def with_session(request: Request) -> Response:
            database = cast("Database", request.app.state.database)
            session = request.state.session = database.session()
            session.info[GIVEN_KEY] = request.headers.get("authorization")
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException):
                # The function was not called, and so nobody was recognised: a stranger is told
                # that, and not what is wrong with the request.
                await run_sync(recognise, session)
                raise
            finally:
                if session.in_transaction():
                    # Whoever has lost interest, the connection goes back as it came.
                    with CancelScope(shield=True):
                        await run_sync(session.close)

        return with_session


def in_one_transaction(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is called in a thread.

    Raises:
        TypeError: it is a coroutine, or takes no session: nobody would be asked for a key.
    """
    if iscoroutinefunction(endpoint) or SESSION not in signature(endpoint).parameters:
        raise TypeError(f"{endpoint.__name__} is no plain function that takes a session.")

    @wraps(endpoint)
    def recognise_and_commit(**given: Any) -> Any:
        session = given[SESSION]
        recognise(session)
        answer = endpoint(**given)
        session.commit()
        return answer

    return recognise_and_commit


def recognise(session: Session) -> None:
    """Note whose session it is.

    Raises:
        UnauthorizedError: no key came with the request, or one that is not known or was revoked.
    """
    if CALLER not in session.info:
        session.info[CALLER] = authenticate(session, session.info[GIVEN_KEY])
