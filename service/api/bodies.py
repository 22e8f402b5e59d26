"""Reading the bodies of requests: how long they may be, and how many large ones at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from service.api.places import CallerGoneError, Places
from service.api.problems import BodyTooLargeError, BodyTooSlowError

# A large body, and what is parsed out of it, is many times the memory of an ordinary request.
LARGE_BYTES = 1024 * 1024
LARGE_AT_A_TIME = 4
# What is read of anybody: a thousand strangers at once take no more than 64 MiB.
STRANGERS_BYTES = 64 * 1024
# A caller who sends slowly is given this long before others may push it out.
GRACE_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Pace:
    """How slowly a body may come: a pause in seconds, and rates in bytes a second.

    The rate is of all of it so far, and counts once the caller has been waited for as long as a
    pause may last. `crowded` is the rate as long as others wait for the place that it takes.
    """

    silence: float = 30
    rate: float = 500
    crowded: float = 16 * 1024

    def patience(self, size: int, *, wanted: bool) -> float:
        """How long one may have waited in all for so many bytes."""
        if wanted:
            return min(self.silence, GRACE_SECONDS) + size / self.crowded
        return self.silence + size / self.rate


def is_for_known_callers(scope: Scope) -> bool:
    """Whether the body is long by what the caller says, or of a length that it does not say."""
    headers = Headers(scope=scope)
    declared = headers.get("content-length")
    if declared is None:
        return "transfer-encoding" in headers
    return not declared.isdigit() or int(declared) > STRANGERS_BYTES


class Arrival:
    """A body on its way: what came of it, and how long that was waited for."""

    def __init__(self, receive: Receive, pace: Pace) -> None:
        self._receive, self._pace = receive, pace
        self._waited = 0.0
        self.size = 0

    async def next(self, places: Places | None = None) -> Message:
        """The next part. `places` are those of which the sender holds one meanwhile.

        Raises:
            BodyTooSlowError: it does not come, or not fast enough.
            CallerGoneError: the caller hung up.
        """
        begun, before = time.monotonic(), self._waited
        while True:
            wanted = places is not None and places.are_wanted
            limit = self._pace.patience(self.size, wanted=wanted)
            paused = self._waited - before
            left = min(limit - self._waited, self._pace.silence - paused)
            if left <= 0:
                raise too_slow(self._pace, wanted=wanted, silent=paused >= self._pace.silence)
            try:
                async with asyncio.timeout(min(left, LOOK_AGAIN_SECONDS)):
                    message = await self._receive()
            except TimeoutError:
                self._waited = before + time.monotonic() - begun
                continue
            self._waited = before + time.monotonic() - begun
            if message["type"] == "http.disconnect":
                raise CallerGoneError
            self.size += len(message.get("body", b""))
            return message


def too_slow(pace: Pace, *, wanted: bool, silent: bool) -> BodyTooSlowError:
    if silent:
        return BodyTooSlowError(f"Nothing of the body came for {pace.silence:g} s: send it again.")
    if wanted:
        return BodyTooSlowError(
            f"Others wait, and the body comes with less than {pace.crowded:g} bytes a second: "
            "send it again later, or faster."
        )
    return BodyTooSlowError(
        f"The body comes with less than {pace.rate:g} bytes a second: send it again, faster."
    )


class BodyReader:
    """Reads bodies of up to `limit` bytes.

    What still comes of a refused body is left to the server, which throws it away.
    """

    def __init__(self, limit: int, *, pace: Pace | None = None) -> None:
        self.limit = limit
        self._pace = pace or Pace()
        self._large = Places(LARGE_AT_A_TIME, self._pace.silence)

    async def read(self, scope: Scope, receive: Receive, held: ExitStack) -> bytes:
        """The body. `held` gives back the place of a large one.

        Raises:
            BodyTooLargeError: it is longer than the limit.
            BodyTooSlowError: the caller stopped sending half-way, or sends too slowly.
            BusyError: too many large bodies are on their way.
            CallerGoneError: the caller hung up.
        """
        self._refuse_what_is_declared_too_large(scope)
        arrival, parts = Arrival(receive, self._pace), list[bytes]()
        place: Places | None = None
        more = True
        while more:
            message = await arrival.next(place)
            more = message.get("more_body", False)
            self._refuse_too_large(arrival)
            if place is None and arrival.size > LARGE_BYTES:
                await self._large.take(held)
                place = self._large
            parts.append(message.get("body", b""))
        return b"".join(parts)

    async def stream(
        self, scope: Scope, receive: Receive, places: Places | None = None
    ) -> AsyncIterator[bytes]:
        """The parts of a body as they come, whose sender holds one of these places.

        Raises:
            BodyTooLargeError: it is longer than the limit.
            BodyTooSlowError: the caller stopped sending half-way, or sends too slowly.
            CallerGoneError: the caller hung up.
        """
        self._refuse_what_is_declared_too_large(scope)
        arrival = Arrival(receive, self._pace)
        more = True
        while more:
            message = await arrival.next(places)
            more = message.get("more_body", False)
            self._refuse_too_large(arrival)
            yield message.get("body", b"")

    def _refuse_what_is_declared_too_large(self, scope: Scope) -> None:
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limit:
            raise self._too_large()

    def _refuse_too_large(self, arrival: Arrival) -> None:
        if arrival.size > self.limit:
            raise self._too_large()

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"A body may have {self.limit} bytes at the most: send several smaller requests."
        )
