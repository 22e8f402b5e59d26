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
