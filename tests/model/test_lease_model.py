"""A job's life, searched whole; and the code held against the model, step by step."""

import random
from collections import Counter, deque
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from service.core.db import Database
from tests.model import lease
from tests.model.lease import Rules, wrong
from tests.model.real import Real, as_seen, begin
from tests.model.state import State, Step, search

RULES = Rules()
# A worker has claimed the job of one request; one more message is under way.
CLAIMED = (("accept", 0), ("make", 0), ("ring", 0), ("ring", 0), ("claim", 0))
# The same, a lapsed lease later: the job waits again.
TAKEN_BACK = (*CLAIMED, ("lapse", 0), ("look", 0), ("take back", 0))
# A person asked the running job to stop; and its worker has heard of it.
ASKED = (*CLAIMED, ("cancel", 0))
STOPPING = (*ASKED, ("beat", 0))
# A job was given up, and the next request has another one made.
SECOND_JOB = (*CLAIMED, ("refuse", 0), ("accept", 0), ("make", 0), ("ring", 0))
# Everything that can happen within so many steps after a story is done for real.
STORIES = {(): 4, CLAIMED: 2, TAKEN_BACK: 2, ASKED: 2, STOPPING: 2, SECOND_JOB: 2}
SEED, WALKS, STEPS_A_WALK = 5, 8, 40
FIRST_STATES = 5000


def test_no_interleaving_breaks_a_promise_and_every_one_can_end() -> None:
    found = search(State(), RULES.moves, wrong)

    assert (found.broken, found.trace, found.stuck) == (None, [], None)
    # docs/lease-model.md tells these numbers.
    assert (found.states, found.steps, found.depth) == (47_763, 512_993, 32)


@pytest.mark.parametrize(
    ("rules", "promise", "last"),
    [
        (Rules(fence_checked_in_publishing=False), lease.NOT_LATEST, "publish 0"),
        (Rules(fence_raised_by_claim=False), lease.NOT_LATEST, "publish 0"),
        (Rules(lease_looked_at_again=False), lease.TAKEN, "take back 0"),
        (Rules(stop_obeyed_in_publishing=False), lease.STOPPED, "publish 0"),
    ],
)
def test_what_is_left_out_is_missed(rules: Rules, promise: str, last: str) -> None:
    found = search(State(), rules.moves, wrong)

    assert (found.broken, found.trace[-1]) == (promise, last)
    # With the rules as they are, the same story comes to another end.
    state = State()
    for line in found.trace:
        step = next(s for s in RULES.moves(state) if f"{s.action} {s.who}" == line)
        assert step.broken is None
        state = step.after
    assert wrong(state) is None


def test_without_taking_back_some_job_never_ends() -> None:
    found = search(State(), Rules(lapsed_leases_taken_back=False).moves, wrong)

    assert found.broken is None
    assert found.stuck is not None
    assert found.stuck.job.state == "running"


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """One transaction for all of a test: what a step did is taken back by a savepoint."""
    with database.engine.connect() as opened:
        yield opened


def follow(real: Real, state: State, steps: tuple[tuple[str, int], ...]) -> State:
    for action, who in steps:
        state = step_of(state, action, who).after
        real.do(action, who)
        assert real.view() == as_seen(state), f"after {action} {who}"
    return state


def step_of(state: State, action: str, who: int) -> Step:
    return next(s for s in RULES.moves(state) if (s.action, s.who) == (action, who))


def do_everything(real: Real, state: State, depth: int, seen: dict[State, int]) -> int:
    """Do each step that can follow a state, and go on from there; returns how many were done."""
    if not depth or seen.get(state, 0) >= depth:
        return 0
    seen[state] = depth
    done = 0
    for step in RULES.moves(state):
        world = real.world
        with real.connection.begin_nested() as before:
            real.do(step.action, step.who)
            assert real.view() == as_seen(step.after), f"{step.action} {step.who} in {state}"
            done += 1 + do_everything(real, step.after, depth - 1, seen)
            before.rollback()
        real.world = world
    return done


@pytest.mark.parametrize(("story", "depth"), STORIES.items())
def test_the_code_does_what_the_model_does_in_every_short_story(
    connection: Connection, story: tuple[tuple[str, int], ...], depth: int
) -> None:
    real = begin(connection, "digits")

    state = follow(real, State(), story)

    assert do_everything(real, state, depth, {}) > 10


def chosen(dice: random.Random, state: State, done: Counter[str]) -> Step | None:
    """A step that is possible, the more likely the less often it has been done."""
    possible = list(RULES.moves(state))
    if not possible:
        return None
    return dice.choices(possible, [(1 + done[step.action]) ** -2.0 for step in possible])[0]


def test_the_code_does_what_the_model_does_in_long_stories(connection: Connection) -> None:
    done: Counter[str] = Counter()
    dice = random.Random(SEED)
    for walk in range(WALKS):
        with connection.begin_nested() as before:
            real = begin(connection, "digits")
            state = follow(real, State(), list(STORIES)[walk % len(STORIES)])
            for _ in range(STEPS_A_WALK):
                step = chosen(dice, state, done)
                if step is None:
                    break
                real.do(step.action, step.who)
                state = step.after
                done[step.action] += 1
                assert real.view() == as_seen(state), f"walk {walk}, {step.action} {step.who}"
            before.rollback()
    assert set(done) == actions()


def actions() -> set[str]:
    """Every action of the model. All of them come up within its first few thousand states."""
    seen, waiting = {State()}, deque([State()])
    found = set()
    while waiting and len(seen) < FIRST_STATES:
        for step in RULES.moves(waiting.popleft()):
            found.add(step.action)
            if step.after not in seen:
                seen.add(step.after)
                waiting.append(step.after)
    return found
