"""HEAD wherever there is a GET: the same status and headers, and no body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _ToldEnoughError(Exception):
    """Ends an application that would go on to send a body."""


class HeadAsGet:
    """Asks the application for a GET, and ends it where its body would begin.

    FastAPI's routes for GET refuse HEAD, which RFC 9110 wants of every server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b""})
            if message.get("more_body", False):
                raise _ToldEnoughError

        try:
            await self.app({**scope, "method": "GET"}, receive, send_head)
        except _ToldEnoughError:
            return
