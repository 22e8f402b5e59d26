"""A cap on request bodies, counted as they arrive."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import refuse_http


class BodyLimit:
    """Refuses with 413 what is longer than `limit` bytes, before it is held in memory."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limit:
            await refuse_http(Request(scope), self._error())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                # FastAPI lets this kind of error pass while it reads a body, and no other.
                raise self._error()
            return message

        await self.app(scope, counted, send)

    def _error(self) -> HTTPException:
        detail = f"A body may have {self.limit} bytes at the most: send several smaller requests."
        return HTTPException(413, detail)
