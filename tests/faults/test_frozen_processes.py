"""Drills: processes that stop in the middle, and wake up when the world has moved on."""

import time

import pytest

from service.core.tables import JobState, RequestState
from tests.faults.stack import LEASE_SECONDS, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.faults

NOT_OURS = "the job is not ours any more"


def test_a_worker_frozen_for_longer_than_its_lease_cannot_publish(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    frozen = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    frozen.freeze()
    stack.release("unlearning")
    stack.worker()
    stack.state_is(JobState.PUBLISHED)
    frozen.thaw()

    frozen.has_said(NOT_OURS)
    assert frozen.runners() == []
    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (2, 2)


def test_a_worker_frozen_before_its_transaction_cannot_publish_after_another(
    stack: Stack,
) -> None:
    stack.dispatcher()
    frozen = stack.worker()
    stack.delete(0)
    stack.state_is(JobState.RUNNING)
    with stack.model_held():
        wait_until(stack.worker_waits_for_a_lock, every=0.02, patience=60)
        # Its files are in their place, and its statement waits in the server.
        frozen.freeze()
        wait_until(lambda: not stack.worker_waits_for_a_lock(), patience=10)
    stack.worker()
    stack.state_is(JobState.PUBLISHED)
    frozen.thaw()

    frozen.has_said(NOT_OURS)
    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (2, 2)


def test_a_frozen_dispatcher_holds_up_nothing_that_another_does(stack: Stack) -> None:
    frozen = stack.dispatcher()
    frozen.has_said("dispatcher started")
    frozen.freeze()
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)

    stack.state_is(JobState.PUBLISHED)
    frozen.thaw()
    stack.delete(10)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert [job.attempt for job in stack.jobs()] == [1, 1]
    assert worker.is_up
    assert frozen.is_up


def test_the_only_dispatcher_frozen_for_longer_than_a_lease_takes_no_job_away(
    stack: Stack,
) -> None:
    stack.hold("unlearning")
    dispatcher = stack.dispatcher()
    stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    dispatcher.freeze()
    time.sleep(LEASE_SECONDS + 1)
    dispatcher.thaw()
    stack.release("unlearning")

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
