"""Waiting for a place, and reading bodies before it, without a server."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api import bodies
from service.api.admission import Admission
from service.api.bodies import BodyReader, Pace
from service.api.places import Places

LIMIT = 4 * bodies.LARGE_BYTES


class Caller:
    """One request, whose messages a test hands in, and what was answered to it."""

    def __init__(self, app: Admission, path: str = "/v1/x", **headers: str) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": raw,
            "query_string": b"",
            "server": ("x", 80),
            "scheme": "http",
        }
        self.task = asyncio.ensure_future(app(scope, self.inbox.get, self._keep))

    async def _keep(self, message: Message) -> None:
        self.sent.append(message)

    def sends(self, body: bytes = b"", *, more: bool = False) -> "Caller":
        self.inbox.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def hangs_up(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def status(self) -> int:
        await asyncio.wait_for(self.task, 5)
        return int(self.sent[0]["status"])

    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sent[1]["body"])
        return found

    def header(self, name: str) -> str | None:
        headers = {key.decode(): value.decode() for key, value in self.sent[0]["headers"]}
        return headers.get(name)


class Everybody:
    """Is known."""

    async def check(self, _scope: Scope) -> None:
        return


class Rooms:
    """An application that answers when it is told to, and counts who is inside."""

    def __init__(
        self, *, places: int = 1, patience: float = 5, silence: float = 5, rate: float = 500
    ) -> None:
        self.inside = 0
        self.read: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_end = asyncio.Event()
        reader = BodyReader(LIMIT, pace=Pace(silence=silence, rate=rate))
        admitted = Places(places, patience)
        self.app = Admission(self._answer, bodies=reader, callers=Everybody(), places=admitted)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/v1/x":
            self.inside += 1
            self.read.append((await receive())["body"])
            await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/v1/x":
            await self.may_end.wait()
        await send({"type": "http.response.body", "body": b""})

    def caller(self, **headers: str) -> Caller:
        return Caller(self.app, **headers)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


def test_no_more_are_let_in_than_there_are_places() -> None:
    async def story() -> None:
        rooms = Rooms(places=3)
        callers = [rooms.caller().sends() for _ in range(10)]
        await settle()
        assert rooms.inside == 3
        rooms.may_answer.set()
        rooms.may_end.set()
        assert [await caller.status() for caller in callers] == [200] * 10

    run(story)


def test_a_place_is_free_again_when_the_answer_begins() -> None:
    async def story() -> None:
        rooms = Rooms()
        first, second = rooms.caller().sends(), rooms.caller().sends()
        await settle()
        assert rooms.inside == 1
        rooms.may_answer.set()
        await settle()
        assert rooms.inside == 2
        assert not first.task.done()
        rooms.may_end.set()
        assert await second.status() == 200

    run(story)


def test_whoever_waits_too_long_is_told_that_the_service_is_busy() -> None:
    async def story() -> None:
        rooms = Rooms(patience=0.05)
        first, second = rooms.caller().sends(), rooms.caller().sends()

        assert await second.status() == 503
        assert second.problem()["type"] == "/problems/busy"
        assert "database" not in second.problem()["detail"]
        assert int(second.header("retry-after") or 0) >= 1
        rooms.may_answer.set()
        rooms.may_end.set()
        assert await first.status() == 200
        assert await rooms.caller().sends().status() == 200

    run(story)


def test_whoever_hangs_up_while_waiting_gives_up_the_place() -> None:
    async def story() -> None:
        rooms = Rooms()
        first, second, third = (rooms.caller().sends() for _ in range(3))
        await settle()
        second.hangs_up()
        await asyncio.wait_for(second.task, 1)
        assert second.sent == []
        rooms.may_answer.set()
        rooms.may_end.set()
        assert [await caller.status() for caller in (first, third)] == [200, 200]
        assert rooms.inside == 2

    run(story)


def test_probes_and_the_description_need_no_place() -> None:
    async def story() -> None:
        rooms = Rooms()
        rooms.caller().sends()
        await settle()
        for path in ("/livez", "/readyz", "/docs", "/openapi.json"):
            assert await Caller(rooms.app, path).status() == 200

    run(story)


def test_whoever_sends_slowly_takes_no_place_meanwhile() -> None:
    async def story() -> None:
        rooms = Rooms()
        slow = rooms.caller().sends(b"half", more=True)
        await settle()
        assert rooms.inside == 0
        rooms.may_answer.set()
        rooms.may_end.set()
        assert await rooms.caller().sends(b"quick").status() == 200
        slow.sends(b"and half")
        assert await slow.status() == 200
        assert rooms.read == [b"quick", b"halfand half"]

    run(story)


def test_a_body_that_stops_half_way_is_given_up() -> None:
    async def story() -> None:
        rooms = Rooms(silence=0.05)
        slow = rooms.caller().sends(b"half", more=True)

        assert await slow.status() == 408
        assert slow.problem()["type"] == "/problems/body-too-slow"

    run(story)


def test_only_a_few_large_bodies_are_held_at_a_time() -> None:
    large = b"x" * (bodies.LARGE_BYTES + 1)

    async def story() -> None:
        rooms = Rooms(places=20)
        callers = [rooms.caller().sends(large) for _ in range(bodies.LARGE_AT_A_TIME + 2)]
        small = rooms.caller().sends(b"small")
        await settle()
        assert rooms.inside == bodies.LARGE_AT_A_TIME + 1
        rooms.may_answer.set()
        rooms.may_end.set()
        assert {await caller.status() for caller in [*callers, small]} == {200}

    run(story)


def test_what_is_too_long_or_only_asked_for_is_refused_at_once() -> None:
    async def story() -> None:
        rooms = Rooms()
        far = rooms.caller(content_length=str(LIMIT + 1))
        asked = rooms.caller(content_length=str(LIMIT + 1), expect="100-continue")
        assert [await far.status(), await asked.status()] == [413, 413]

    run(story)


def test_a_body_that_comes_in_drops_is_given_up_though_it_never_stops() -> None:
    async def story() -> None:
        rooms = Rooms(silence=0.2, rate=1000)
        slow = rooms.caller()

        async def drip() -> None:
            while True:
                slow.sends(b"x", more=True)
                await asyncio.sleep(0.01)

        dripping = asyncio.ensure_future(drip())
        assert await slow.status() == 408
        assert "less than 1000 bytes a second" in slow.problem()["detail"]
        dripping.cancel()

    run(story)


def test_a_large_body_that_comes_in_drops_makes_way_for_one_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(bodies, "LOOK_AGAIN_SECONDS", 0.05)
    large = b"x" * (bodies.LARGE_BYTES + 1)

    async def story() -> None:
        rooms = Rooms(places=20, silence=30)
        rooms.may_answer.set()
        rooms.may_end.set()
        slow = [rooms.caller().sends(large, more=True) for _ in range(bodies.LARGE_AT_A_TIME)]
        await asyncio.sleep(0.1)
        assert not any(caller.task.done() for caller in slow)
        # By now each has come faster than the crowded rate asks, so only time makes them slow.
        monkeypatch.setattr(Pace, "patience", patience_of_a_crowd)

        assert await rooms.caller().sends(large).status() == 200

        gone = [caller for caller in slow if caller.task.done()]
        assert {caller.sent[0]["status"] for caller in gone} == {408}
        assert "Others wait" in gone[0].problem()["detail"]

    run(story)


def patience_of_a_crowd(pace: Pace, size: int, *, wanted: bool) -> float:  # noqa: ARG001
    return 0.05 if wanted else pace.silence


def test_patience_grows_with_what_has_come() -> None:
    pace = Pace(silence=30, rate=500, crowded=1000)
    assert pace.patience(0, wanted=False) == 30
    assert pace.patience(5000, wanted=False) == 40
    assert pace.patience(5000, wanted=True) == bodies.GRACE_SECONDS + 5


def test_a_body_of_unknown_length_is_refused_once_it_is_too_long() -> None:
    async def story() -> None:
        rooms = Rooms()
        caller = rooms.caller().sends(b"x" * LIMIT, more=True).sends(b"xx", more=True).sends()
        assert await caller.status() == 413
        assert rooms.inside == 0

    run(story)
