"""HTTP/1.1 by uvicorn and h11, for callers that may be slow, silent or too many."""

import asyncio
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.serving.crowd import Crowd
from service.serving.limits import Limits
from service.serving.refusals import (
    BUSY,
    HEAD_TOO_SLOW,
    TWO_MEANINGS,
    Refusal,
    has_two_meanings,
    refusal,
)
from service.serving.transport import Lingering

# A body is not called slow before it has been on its way for this long.
GRACE_SECONDS = 5.0


class PatientProtocol(H11Protocol):
    """One connection. Patient, and not for ever.

    uvicorn reads heads and bodies, and closes what is idle between two requests. Here are the
    limits of a head, of an answer that is not read, and of what still comes once a request is
    answered. How slowly a body may come is for the application to say, which reads it.
    """

    limits: ClassVar[Limits]
    crowd: ClassVar[Crowd]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head = Timer(self.loop, self.limits.head, self._head_is_late)
        self._unread = Timer(self.loop, self.limits.unread, self.end)
        self._drain = Timer(self.loop, self.limits.drain, self._drained_enough)
        self._linger = Timer(self.loop, self.limits.linger, self.end)
        self.timeout_keep_alive = self.limits.idle  # type: ignore[assignment]
        self._received = self._drained = 0
        self._was_refused = False
        self._sends_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (it is of a stream)
        super().connection_made(Lingering(transport, self._leave))
        if self.crowd.admit(self):
            self._head.start()
        elif self.crowd.refuse(self):
            self.refuse(BUSY)
        else:
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leaves(self)
        for timer in (self._head, self._unread, self._drain, self._linger):
            timer.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # It is read only so that nothing is reset.
        self._received += len(data)
        if self._drain.runs:
            self._drained += len(data)
            if self._drained > self.limits.drain_bytes:
                self._drained_enough()
                return
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        begun = self.cycle is not before and not self.transport.is_closing()
        if begun and has_two_meanings(self.headers):
            self.refuse(HTTPStatus.BAD_REQUEST, TWO_MEANINGS)
            return
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.stop()

    def shutdown(self) -> None:
        if self.transport.is_closing():
            self.end()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the problem says it better)
        # Called where h11's error is handled, which knows the right status.
        error = sys.exc_info()[1]
        self.refuse(getattr(error, "error_status_hint", 400))

    def refuse(self, status: int, words: Refusal | None = None) -> None:
        """Answer in the place of the application, as far as nothing is answered yet, and close."""
        self._was_refused = True
        status, headers, body = refusal(status, words)
        if self._is_busy():
            # The application waits for a body that is broken, or does not come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        events: list[h11.Event] = [
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # An answer has begun, and cannot be taken back.
        self.transport.close()

    def is_slow(self) -> bool:
        lasted = time.monotonic() - self._sends_since
        enough = self._received >= self.limits.crowded_rate * lasted
        return lasted > GRACE_SECONDS and not enough and not self.flow.read_paused

    def end(self) -> None:
        """Close the connection, whatever it does."""
        self.transport.abort()

    def _is_busy(self) -> bool:
        # There is none before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _look(self) -> None:
        """What the connection does now, and which limit that has."""
        if self.transport.is_closing():
            return
        still_sends = self.conn.their_state is h11.SEND_BODY
        if self._is_busy():
            self._head.stop()
            if not still_sends:
                self.crowd.is_served(self)
            elif not self._sends_since:
                self._sends_since, self._received = time.monotonic(), 0
                self.crowd.sends(self)
            return
        self._sends_since = 0.0
        self.crowd.waits(self)
        if still_sends:
            self._drain.start()
            return
        self._drain.stop()
        self._drained = 0
        if self.conn.trailing_data[0]:
            self._head.start()
        elif self.timeout_keep_alive_task is None and not self._head.runs:
            # The body of an answered request has ended only now.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _head_is_late(self) -> None:
        # Whoever has sent nothing waits for no answer.
        if self._received:
            self.refuse(HEAD_TOO_SLOW)
        else:
            self.end()

    def _drained_enough(self) -> None:
        self.transport.close()

    def _leave(self) -> None:
        """Close, so that what was answered arrives."""
        real = cast("Lingering", self.transport).real
        self._head.stop()
        self._drain.stop()
        self.crowd.waits(self)
        may_still_come = self._was_refused or self.conn.their_state is h11.SEND_BODY
        if not may_still_come or not real.can_write_eof():
            real.close()
            self._unread.start()
            return
        real.write_eof()
        real.resume_reading()
        self._linger.start()


class Timer:
    """A call after a while, unless it is stopped before."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]
    ) -> None:
        self._loop, self._seconds, self._call = loop, seconds, call
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._handle is not None

    def start(self) -> None:
        """Begin to count, or go on if it runs."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._call()


def protocol_of(limits: Limits) -> type[PatientProtocol]:
    """The protocol of one server, whose connections know of each other."""
    shared = {"limits": limits, "crowd": Crowd(limits.connections)}
    return type("PatientProtocol", (PatientProtocol,), shared)
