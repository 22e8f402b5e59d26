"""A TCP proxy that does to connections what networks do to them."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK = 65536


class Link:
    """One connection through the proxy. `flowing` is clear while its network is silent."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.flowing = asyncio.Event()
        self.stranded = False
        self.marked = False
        self.deaf = False

    def abort(self) -> None:
        """Reset both ends."""
        for writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """Passes connections on to `target_port`, which may change, from a port that never does.

    A silent network drops nothing: what was sent arrives when it is healed, also from a sender
    that has given up since. That is how a real one behaves, where senders repeat themselves.
    """

    def __init__(self) -> None:
        self.target_port = 0
        self.delay = 0.0
        self._refusing = False
        self._silent = False
        self._answers_lost = False
        self._marker: bytes | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, HOST, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._call(self._set(refusing=True))
        self.reset()

    def reset(self) -> None:
        """Reset every connection. New ones pass."""
        self._call(self._abort_all())

    def silence(self) -> None:
        """Nothing arrives any more, either way. Connections stay, and new ones are accepted."""
        self._call(self._set(silent=True))

    def lose_answers(self) -> None:
        """What is asked arrives, and no answer comes back until it is healed."""
        self._call(self._set(answers_lost=True))

    def lose_answer_to_commit_of(self, marker: bytes) -> None:
        """Lose what is answered to the COMMIT on the connection that has sent this first."""
        self._marker = marker

    def strand(self) -> None:
        """Leave the connections of now half-open for ever. New ones pass."""
        self._call(self._strand())

    def heal(self) -> None:
        """What waits arrives, and everything passes. What was stranded stays so."""
        self.delay, self._marker = 0.0, None
        self._call(self._set())

    @property
    def connections(self) -> int:
        return len(self._links)

    def close(self) -> None:
        self._call(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(
        self, *, refusing: bool = False, silent: bool = False, answers_lost: bool = False
    ) -> None:
        self._refusing, self._silent, self._answers_lost = refusing, silent, answers_lost
        for link in self._links:
            link.deaf = False
            self._apply(link)

    def _apply(self, link: Link) -> None:
        if self._silent or link.stranded:
            link.flowing.clear()
        else:
            link.flowing.set()

    async def _strand(self) -> None:
        for link in self._links:
            link.stranded = True
            self._apply(link)

    async def _abort_all(self) -> None:
        for link in self._links:
            link.abort()

    async def _finish(self) -> None:
        self._server.close()
        self._answers_lost, self.delay = False, 0.0
        for link in self._links:
            link.deaf = False
            link.flowing.set()
            link.abort()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refusing:
            near.transport.abort()
            return
        try:
            answers, far = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            near.transport.abort()
            return
        link = Link(near, far)
        self._apply(link)
        self._links.add(link)
        try:
            there = asyncio.ensure_future(self._pump(link, reader, far, answers=False))
            back = asyncio.ensure_future(self._pump(link, answers, near, answers=True))
            _, left = await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            for pump in left:
                pump.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            self._links.discard(link)
            link.abort()

    async def _pump(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        while data := await reader.read(CHUNK):
            await link.flowing.wait()
            while answers and (self._answers_lost or link.deaf):
                await asyncio.sleep(0.01)
            if not answers and self._marker is not None:
                link.marked = link.marked or self._marker in data
                link.deaf = link.marked and b"COMMIT" in data
            if self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
