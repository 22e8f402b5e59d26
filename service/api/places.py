"""Places for a few requests at a time; the others wait in the event loop, which costs little."""

import asyncio
from contextlib import ExitStack

from starlette.types import Receive

from service.api.problems import BusyError


class CallerGoneError(Exception):
    """The caller hung up: there is nobody to answer."""


class Places:
    """So many may do something at a time, in the order of arrival."""

    def __init__(self, count: int, patience: float) -> None:
        """`patience` is how many seconds one waits for a place."""
        self._free = asyncio.Semaphore(count)
        self._patience = patience
        self._waiting = 0

    @property
    def are_wanted(self) -> bool:
        """Whether somebody waits for one."""
        return self._waiting > 0

    async def take(self, held: ExitStack, receive: Receive | None = None) -> None:
        """Wait for a place, which `held` gives back; `receive` tells when the caller hangs up.

        Raises:
            BusyError: none was free in time.
            CallerGoneError: the caller did not wait for it.
        """
        if self._free.locked():
            await self._queue(receive)
        else:
            await self._free.acquire()
        held.callback(self._free.release)

    async def _queue(self, receive: Receive | None) -> None:
        taking = asyncio.ensure_future(self._free.acquire())
        leaving = asyncio.ensure_future(hangs_up(receive))
        taken = False
        self._waiting += 1
        try:
            await asyncio.wait(
                {taking, leaving}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED
            )
            if leaving.done():
                raise CallerGoneError
            if not taking.done():
                raise BusyError(
                    f"Too many requests are under way: none made room in {self._patience:g} s. "
                    "Nothing was changed; send the same request again."
                )
            taken = True
        finally:
            self._waiting -= 1
            leaving.cancel()
            if not taking.cancel() and not taken:
                self._free.release()


async def hangs_up(receive: Receive | None) -> None:
    """Return when the caller has gone; without a `receive` that is never heard of."""
    if receive is None:
        await asyncio.Event().wait()
        return
    while (await receive())["type"] != "http.disconnect":
        pass
