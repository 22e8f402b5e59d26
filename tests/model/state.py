"""What the model of a job's life knows, and a search of all that can become of it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

LIVE = ("queued", "running")
OPEN = ("staged", "processing")


class Worker(NamedTuple):
    """One worker. What it believes may be long out of date: that is the point."""

    doing: str = "idle"
    """idle, running, ready (its run has ended well), or stopping (it was told to cancel)."""
    of_this_job: bool = False
    """Its claim was one of the model's present job, and not of an earlier one."""
    fence_fits: bool = False
    latest: bool = False
    """Of the claims of this job its own is the last, and nobody ended it. No code knows this."""


class Job(NamedTuple):
    """The model's present job, or the last one. Earlier ones are over and change no more."""

    state: str = "none"
    attempt: int = 0
    lease: str = "none"
    """none, kept or lapsed."""
    parent: int = 0
    tv: int = 0
    asked_to_stop: bool = False
    versions: int = 0


class State(NamedTuple):
    """One dataset with one model, two workers and two dispatchers."""

    requests: tuple[str, ...] = ()
    """By clock: the first one has 1."""
    head: int = 0
    held: int = 0
    failed: int = 0
    job: Job = Job()
    workers: tuple[Worker, ...] = (Worker(), Worker())
    noted: tuple[bool, ...] = (False, False)
    """The dispatchers that saw the job's lease lapsed, and have not acted on it."""
    messages: int = 0
    cancels: int = 1
    retries: int = 1

    @property
    def clock(self) -> int:
        return len(self.requests)

    @property
    def live(self) -> bool:
        return self.job.state in LIVE

    @property
    def behind(self) -> bool:
        return self.clock > max(self.head, self.held)


class Step(NamedTuple):
    """Something that can happen: its name, who does it, and what comes of it."""

    action: str
    who: int
    after: State
    broken: str | None = None
    """The promise that this step breaks."""


Moves = Callable[[State], Iterator[Step]]


@dataclass
class Found:
    """What a search has seen."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    broken: str | None = None
    trace: list[str] = field(default_factory=list)
    stuck: State | None = None
    """A state from which no end can be reached."""


def search(start: State, moves: Moves, wrong: Callable[[State], str | None]) -> Found:
    """Visit every state that can be reached, the nearest first, up to the first broken promise.

    Then walk back from the ends: whatever is not met on that way can never end.
    """
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    before: dict[State, list[State]] = {}
    depth = {start: 0}
    found = Found()
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for step in moves(state):
            found.steps += 1
            broken = step.broken or (wrong(step.after) if step.after not in depth else None)
            if broken:
                found.broken = broken
                found.trace = [*path(came_from, state), f"{step.action} {step.who}"]
                return found
            before.setdefault(step.after, []).append(state)
            if step.after not in depth:
                depth[step.after] = depth[state] + 1
                came_from[step.after] = (state, f"{step.action} {step.who}")
                waiting.append(step.after)
    found.states, found.depth = len(depth), max(depth.values())
    ending = {state for state in depth if is_over(state)}
    unseen = deque(ending)
    while unseen:
        for earlier in before.get(unseen.popleft(), ()):
            if earlier not in ending:
                ending.add(earlier)
                unseen.append(earlier)
    found.stuck = next((state for state in depth if state not in ending), None)
    return found


def is_over(state: State) -> bool:
    """Nothing is under way, and every request has got its answer."""
    return (
        not state.live
        and all(worker.doing == "idle" for worker in state.workers)
        and not any(request in OPEN for request in state.requests)
    )


def path(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    steps = []
    while (earlier := came_from[state]) is not None:
        state, action = earlier
        steps.append(action)
    return steps[::-1]
