"""Reading the bodies of requests: how long they may be, and how many large ones at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from service.api.places import CallerGoneError, Places
from service.api.problems import BodyTooLargeError, BodyTooSlowError

# A large body, and what is parsed out of it, is many times the memory of an ordinary request.
LARGE_BYTES = 1024 * 1024
LARGE_AT_A_TIME = 4
# What is read and thrown away, so that a caller who first sends and then reads gets the refusal.
DISCARDED_BYTES = 64 * 1024 * 1024
SILENCE_SECONDS = 30.0


def is_large(scope: Scope) -> bool:
    """Whether the body is large by what the caller says, or of a length that it does not say."""
    headers = Headers(scope=scope)
    declared = headers.get("content-length")
    if declared is None:
        return "transfer-encoding" in headers
    return not declared.isdigit() or int(declared) > LARGE_BYTES


class BodyReader:
    """Reads bodies of up to `limit` bytes."""

    def __init__(self, limit: int, *, silence: float = SILENCE_SECONDS) -> None:
        """`silence` is how many seconds a caller may pause while sending."""
        self.limit = limit
        self._silence = silence
        self._large = Places(LARGE_AT_A_TIME, silence)

    async def read(self, scope: Scope, receive: Receive, held: ExitStack) -> bytes:
        """The body. `held` gives back the place of a large one.

        Raises:
            BodyTooLargeError: it is longer than the limit.
            BodyTooSlowError: the caller stopped sending half-way.
            BusyError: too many large bodies are on their way.
            CallerGoneError: the caller hung up.
        """
        await self._refuse_what_is_declared_too_large(scope, receive)
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._next(receive)
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > self.limit:
                parts.clear()
                await self._discard(receive, size, more=more)
                raise self._too_large()
            if size > LARGE_BYTES >= size - len(part):
                await self._large.take(held)
            parts.append(part)
        return b"".join(parts)

    async def stream(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """The parts of a body as they come, which nobody holds together.

        Raises:
            BodyTooLargeError: it is longer than the limit.
            BodyTooSlowError: the caller stopped sending half-way.
            CallerGoneError: the caller hung up.
        """
        await self._refuse_what_is_declared_too_large(scope, receive)
        size, more = 0, True
        while more:
            message = await self._next(receive)
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > self.limit:
                await self._discard(receive, size, more=more)
                raise self._too_large()
            yield part

    async def _refuse_what_is_declared_too_large(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limit:
            # Whoever asks before sending has sent nothing that would have to be thrown away.
            asks = headers.get("expect", "").lower() == "100-continue"
            if not asks and int(declared) <= DISCARDED_BYTES:
                await self._discard(receive, 0)
            raise self._too_large()

    async def _discard(self, receive: Receive, size: int, *, more: bool = True) -> None:
        """Throw away what still comes, within reason."""
        try:
            async with asyncio.timeout(self._silence):
                while more and size <= DISCARDED_BYTES:
                    message = await self._next(receive)
                    size += len(message.get("body", b""))
                    more = message.get("more_body", False)
        except TimeoutError:
            return  # Then the refusal is sent while the caller still sends.

    async def _next(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._silence):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlowError(
                f"Nothing of the body came for {self._silence:g} s: send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        return message

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"A body may have {self.limit} bytes at the most: send several smaller requests."
        )
