"""A transport that does not close on a caller who still sends."""

import asyncio
from collections.abc import Callable
from typing import Any


class Lingering(asyncio.Transport):
    """The connection's transport, whose `close` asks how.

    A socket that is closed with something unread resets the connection, and the caller may lose
    the answer that is on its way.
    """

    def __init__(self, real: asyncio.Transport, leave: Callable[[], None]) -> None:
        """`leave` ends the connection in whatever way is right now."""
        super().__init__()
        self.real = real
        self._leave = leave
        self._closing = False

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._leave()

    def is_closing(self) -> bool:
        return self._closing or self.real.is_closing()

    def abort(self) -> None:
        self._closing = True
        self.real.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.real.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.real.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.real.get_protocol()

    def is_reading(self) -> bool:
        return self.real.is_reading()

    def pause_reading(self) -> None:
        self.real.pause_reading()

    def resume_reading(self) -> None:
        self.real.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.real.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self.real.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self.real.get_write_buffer_limits()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.real.write(data)

    def write_eof(self) -> None:
        self.real.write_eof()

    def can_write_eof(self) -> bool:
        return self.real.can_write_eof()
