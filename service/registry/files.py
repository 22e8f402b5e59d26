"""One file of a version, whole or in part, and refusals of parts that it does not have."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, Response
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from service.api.problems import RangeError, problems, refuse, refuse_http

NOT_UNDERSTOOD = "The header Range is not understood: leave it out, or mend it."
TOO_SHORT = "The file ends before this range begins."
# In OpenAPI 3.1, bytes are what has no schema.
BYTES: dict[str, Any] = {"*/*": {}}
# For the `responses=` of a route that answers with a file.
PARTS: dict[int | str, dict[str, Any]] = {
    200: {"content": BYTES},
    206: {"description": "The part that the header `Range` names.", "content": BYTES},
    **problems(RangeError),
}


class VersionFile(FileResponse):
    """Starlette's file, whose refusals of a Range are text, with problems in their place."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal: Response | None = None

        async def send_or_refuse(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start":
                refusal = refusal_of(Request(scope), message)
            if refusal is None:
                await send(message)

        await super().__call__(scope, receive, send_or_refuse)
        if refusal is not None:
            await refusal(scope, receive, send)


def refusal_of(request: Request, start: Message) -> Response | None:
    """The problem in the place of a refusal that begins with this message."""
    if start["status"] == HTTPStatus.BAD_REQUEST:
        return refuse_http(request, HTTPException(HTTPStatus.BAD_REQUEST, NOT_UNDERSTOOD))
    if start["status"] == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        problem = refuse(request, RangeError(TOO_SHORT))
        problem.headers["Content-Range"] = Headers(raw=start["headers"])["content-range"]
        return problem
    return None
