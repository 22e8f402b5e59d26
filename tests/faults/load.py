"""A caller that never stops asking, and remembers what it was told."""

import threading
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import select

from service.core.tables import DeletionRequest
from tests.faults.stack import API, Stack
from tests.waiting import wait_until

PAUSE_SECONDS = 0.05
SAMPLES_EACH = 2


class Caller:
    """Deletes samples, two at a time, each request until it is accepted, as a good client does.

    A request that got no 2xx is sent again with the same Idempotency-Key.
    """

    def __init__(self, api: API, sample_ids: list[str], first: int = 0) -> None:
        self._api = api
        self._sample_ids, self._next = sample_ids, first
        self._accepted: list[UUID] = []
        self._statuses: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    @property
    def accepted(self) -> list[UUID]:
        return list(self._accepted)

    @property
    def count(self) -> int:
        return len(self._accepted)

    def statuses(self) -> set[int]:
        """Every status that it was answered. 0 stands for no answer at all."""
        return set(self._statuses)

    def turn_to(self, api: API) -> None:
        self._api = api

    def has_accepted(self, count: int, patience: float = 30) -> None:
        wait_until(lambda: len(self._accepted) >= count, every=0.01, patience=patience)

    def check_against(self, stack: Stack) -> None:
        """What was answered 202 is there once, and nothing else of this caller's is."""
        assert self._accepted, "nothing was accepted"
        with stack.session() as session:
            stored = list(session.scalars(select(DeletionRequest.id)))
        assert sorted(stored) == sorted(self._accepted)

    def _call(self) -> None:
        while not self._ended.is_set():
            wanted = self._sample_ids[self._next : self._next + SAMPLES_EACH]
            self._next += SAMPLES_EACH
            key = uuid4().hex
            while not self._accept(wanted, key):
                self._ended.wait(PAUSE_SECONDS)
            self._ended.wait(PAUSE_SECONDS)

    def _accept(self, wanted: list[str], key: str) -> bool:
        try:
            answer = self._api.post(wanted, key)
        except httpx2.TransportError:
            self._statuses.add(0)
            return False
        self._statuses.add(answer.status_code)
        if answer.status_code == 202:
            self._accepted.append(UUID(answer.json()["id"]))
            return True
        return False
