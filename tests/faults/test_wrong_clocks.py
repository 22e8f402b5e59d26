"""Drills: workers whose clocks are wrong. Leases go by the database's clock alone."""

import pytest

from service.core.tables import RequestState
from tests import factories
from tests.faults.stack import LEASE_SECONDS, Stack

pytestmark = pytest.mark.faults

HOURS = 3600


@pytest.mark.parametrize("skew", [2 * HOURS, -2 * HOURS], ids=["fast", "slow"])
def test_a_worker_whose_clock_is_wrong_keeps_the_same_lease_and_takes_no_job_away(
    stack: Stack, skew: int
) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    right = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")
    wrong = stack.worker(program="tests.faults.skewed", DRILL_CLOCK_SECONDS=str(skew))
    wrong.has_said("ready")

    assert wrong.runners() == []
    stack.release("unlearning")
    stack.finishes()
    right.stop()
    stack.hold("unlearning")
    stack.delete(10)
    stack.reaches("unlearning")
    with stack.session() as session:
        left = factories.seconds_left(session, stack.jobs()[-1])
    stack.release("unlearning")

    assert 0 < left <= LEASE_SECONDS
    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert [job.attempt for job in stack.jobs()] == [1, 1]
