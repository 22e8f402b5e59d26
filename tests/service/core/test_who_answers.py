"""What a request comes to while versions wait for review and jobs come and go."""

import pytest
from sqlalchemy.orm import Session

from service.core.completion import Standing
from tests import factories
from tests.service.stories import Story


@pytest.mark.parametrize(
    ("standing", "failed"),
    [
        (Standing(reached=0, failed=0, coming=0), []),
        (Standing(reached=0, failed=2, coming=0), [1, 2]),
        (Standing(reached=1, failed=2, coming=0), [2]),
        (Standing(reached=0, failed=2, coming=1), [2]),
        (Standing(reached=1, failed=2, coming=2), []),
        (Standing(reached=0, failed=1, coming=2), []),
        (Standing(reached=2, failed=3, coming=1), [3]),
    ],
)
def test_what_was_given_up_fails_unless_something_still_answers_it(
    standing: Standing, failed: list[int]
) -> None:
    assert [tv for tv in range(1, 5) if standing.fails(tv)] == failed


@pytest.fixture
def story(session: Session) -> Story:
    digits = factories.dataset(session)
    return Story(session, digits, factories.model(session, digits))


ONE = "ask, queue, claim, hold"
TWO = f"{ONE}, {ONE}"


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        # Of two versions that wait, either goes first.
        (f"{TWO}, refuse 3", ["processing", "failed"]),
        (f"{TWO}, refuse 3, refuse 2", ["failed", "failed"]),
        (f"{TWO}, refuse 2", ["processing", "processing"]),
        (f"{TWO}, refuse 2, refuse 3", ["failed", "failed"]),
        (f"{TWO}, refuse 3, approve 2", ["completed", "failed"]),
        (f"{TWO}, refuse 2, approve 3", ["completed", "completed"]),
        (f"{TWO}, approve 3", ["completed", "completed"]),
        (f"{TWO}, approve 2", ["completed", "processing"]),
        # A later job ends while one waits.
        (f"{ONE}, ask, queue, claim, fail", ["processing", "failed"]),
        (f"{ONE}, ask, queue, claim, stop", ["processing", "failed"]),
        (f"{ONE}, ask, queue, claim, fail, refuse 2", ["failed", "failed"]),
        (f"{ONE}, ask, queue, claim, fail, approve 2", ["completed", "failed"]),
        (f"{ONE}, ask, queue, claim, publish", ["completed", "completed"]),
        # A version goes while a later job is on its way, and then the job ends.
        (f"{ONE}, ask, queue, refuse 2", ["processing", "staged"]),
        (f"{ONE}, ask, queue, claim, refuse 2", ["processing", "processing"]),
        (f"{ONE}, ask, queue, claim, refuse 2, requeue", ["processing", "processing"]),
        (f"{ONE}, ask, queue, claim, refuse 2, fail", ["failed", "failed"]),
        (f"{ONE}, ask, queue, claim, refuse 2, hold", ["processing", "processing"]),
        (f"{ONE}, ask, queue, claim, refuse 2, publish", ["completed", "completed"]),
        # A third job fails beyond two that wait.
        (f"{TWO}, ask, queue, claim, fail", ["processing", "processing", "failed"]),
        (f"{TWO}, ask, queue, claim, fail, refuse 3", ["processing", "failed", "failed"]),
        (f"{TWO}, ask, queue, claim, fail, refuse 2", ["processing", "processing", "failed"]),
        (f"{TWO}, ask, queue, claim, fail, approve 3", ["completed", "completed", "failed"]),
    ],
)
def test_no_request_fails_that_a_waiting_version_or_a_job_answers(
    story: Story, steps: str, states: list[str]
) -> None:
    story.tell(steps)

    assert story.states() == states


def test_what_an_overtaken_version_answered_is_not_given_up_with_a_later_job(story: Story) -> None:
    story.tell(f"{TWO}, ask, queue, claim, fail, approve 2")
    assert story.states()[:2] == ["completed", "processing"]

    story.tell("queue, claim, publish")

    assert story.states() == ["completed", "completed", "completed"]


def test_a_failed_request_is_being_processed_once_a_later_one_starts_a_job(story: Story) -> None:
    story.tell("ask, queue, claim, fail, ask")
    assert story.states() == ["failed", "staged"]

    story.tell("queue")

    assert story.states() == ["processing", "staged"]
    story.tell("withdraw 2")  # Only a claim makes it too late for this.
    assert story.states() == ["processing", "cancelled"]


@pytest.fixture
def two(session: Session) -> list[Story]:
    """Two models of one dataset."""
    digits = factories.dataset(session)
    return [Story(session, digits, factories.model(session, digits, name)) for name in "ab"]


def test_a_request_waits_for_the_job_that_is_queued_for_it_at_the_other_model(
    two: list[Story],
) -> None:
    one, other = two
    one.tell("ask, queue, claim, fail")
    other.tell("queue, claim, fail")
    assert one.states() == ["failed"]

    one.tell("ask, queue")
    other.tell("queue")
    one.tell("claim, publish")
    assert one.states() == ["processing", "processing"]

    other.tell("claim, fail")
    assert one.states() == ["partially_completed", "partially_completed"]
    other.tell("retry 1, queue")
    assert one.states() == ["processing", "processing"]
    other.tell("claim, publish")
    assert one.states() == ["completed", "completed"]


def possible(story: Story) -> list[str]:
    """Every step that the life cycles allow now."""
    job, waiting = story.live_job(), [version.number for version in story.waiting()]
    steps = [f"refuse {number}" for number in waiting]
    if job is None:
        steps += [f"approve {number}" for number in waiting]
        steps += ["queue"] if story.is_behind() else []
    elif job.state == "queued":
        steps += ["claim"]
    else:
        steps += ["publish", "hold", "fail", "stop", "requeue"]
    for number, request in enumerate(story.requests(), start=1):
        steps += [f"withdraw {number}"] if request.state == "staged" else []
        steps += [f"retry {number}"] if request.state == "failed" else []
    return steps + (["ask"] if len(story.requests()) < 3 else [])


def complain(story: Story) -> str | None:
    """What is wrong with how the requests read, by what there is to answer them."""
    session = story.session
    reached = factories.head(session, story.model).tv
    job, waiting = story.live_job(), [version.tv for version in story.waiting()]
    coming = max([0, *waiting, *([job.tv] if job else [])])
    for request in story.requests():
        tv, state = request.tv, request.state
        if state == "cancelled":
            continue
        if (state == "completed") != (reached >= tv):
            return f"{tv} is {state}, and the head has {reached}"
        if state == "failed" and coming >= tv:
            return f"{tv} has failed, and something is still to answer it"
        moves = reached >= tv or coming >= tv or job is not None or story.is_behind()
        if state in ("staged", "processing") and not moves:
            return f"{tv} is {state}, and nothing moves it"
    return None


def test_no_course_of_events_leaves_a_request_failed_that_is_served_or_waiting_for_nothing(
    story: Story,
) -> None:
    """All courses of up to seven steps from a version in review, each position once."""
    story.tell(ONE)
    seen: dict[object, int] = {}
    wrong: list[str] = []

    def walk(course: str, left: int) -> None:
        position = story.position()
        if seen.get(position, -1) >= left:
            return
        # How requests read is a matter of the position, and so is looked at once.
        complaint = None if position in seen else complain(story)
        seen[position] = left
        if complaint:
            wrong.append(f"{course}: {complaint}")
        if complaint or left == 0:
            return
        for step in possible(story):
            with story.session.begin_nested() as fork:
                story.tell(step)
                walk(f"{course}, {step}", left - 1)
                fork.rollback()

    walk(ONE, 7)

    assert wrong == []
    assert sum(left > 0 for left in seen.values()) > 100
