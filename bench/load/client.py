"""A closed loop: so many connections, each of which sends again when it has its answer."""

import asyncio
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

# A loop goes on until it has so many answers, and fewer than two have no quantiles.
LEAST = 10
FEWEST = 2
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
# The next request, or None when there is nothing left to ask for.
Next: TypeAlias = Callable[[], bytes | None]


class NothingLeftError(RuntimeError):
    """There was nothing left to ask for before there were enough answers."""


@dataclass(frozen=True)
class Measured:
    """What came of one loop. Times are in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def message(method: str, path: str, *, key: str = "", body: dict[str, Any] | None = None) -> bytes:
    """A request as it goes over the wire."""
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if content:
        head += "Content-Type: application/json\r\n"
    return head.encode() + b"\r\n" + content


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Status and body of an answer.

    Raises:
        RuntimeError: its length is not told.
    """
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    if length is None:
        raise RuntimeError("An answer without a length.")
    body = await reader.readexactly(int(length[1]))
    return int(head[9:12]), body


def closed_loop(
    port: int, following: Next, *, connections: int, seconds: float, status: int
) -> Measured:
    """Ask for so many seconds, and on until there are `LEAST` answers or nothing is left.

    Raises:
        NothingLeftError: nothing was left after fewer than `FEWEST` answers.
        RuntimeError: an answer has another status.
    """
    taken: list[float] = []

    async def one(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        try:
            while time.perf_counter() < until or len(taken) < LEAST:
                request = following()
                if request is None:
                    return
                started = time.perf_counter()
                got, body = await ask(reader, writer, request)
                taken.append(time.perf_counter() - started)
                if got != status:
                    raise RuntimeError(f"{got} instead of {status}: {body[:300].decode()}")
        finally:
            writer.close()

    async def all_of_them() -> float:
        started = time.perf_counter()
        await asyncio.gather(*(one(started + seconds) for _ in range(connections)))
        return time.perf_counter() - started

    elapsed = asyncio.run(all_of_them())
    if len(taken) < FEWEST:
        raise NothingLeftError(f"Answers before nothing was left: {len(taken)}.")
    cuts = statistics.quantiles(taken, n=100)
    return Measured(len(taken), elapsed, cuts[49], cuts[98])
