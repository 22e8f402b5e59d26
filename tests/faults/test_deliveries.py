"""Drills: more deliveries, workers and dispatchers than a job needs."""

import time

import pytest

from service.core.tables import JobState, RequestState
from tests.faults.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.faults


def test_a_message_delivered_many_times_runs_its_job_once(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    for _ in range(5):
        stack.ring(stack.job())
    stack.release("unlearning")
    stack.finishes()
    for _ in range(5):
        stack.ring(stack.job())
    stack.delete(10)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert [(job.state, job.attempt) for job in stack.jobs()] == [(JobState.PUBLISHED, 1)] * 2
    assert stack.versions() == 3


def test_two_workers_that_are_rung_for_one_job_run_it_once(stack: Stack) -> None:
    workers = [stack.worker(), stack.worker()]
    for worker in workers:
        worker.has_said("ready")
    stack.hold("unlearning")
    stack.delete(0)
    stack.dispatcher()
    wait_until(stack.jobs, every=0.01, patience=20)
    for _ in range(4):
        stack.ring(stack.job())

    stack.reaches("unlearning")
    assert sum(len(worker.runners()) for worker in workers) == 1
    stack.release("unlearning")
    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)


def test_two_dispatchers_make_one_job_of_one_request(stack: Stack) -> None:
    dispatchers = [stack.dispatcher(UNLEARND_DISPATCH_INTERVAL_SECONDS="0.02") for _ in range(2)]
    for dispatcher in dispatchers:
        dispatcher.has_said("dispatcher started")
    stack.worker()
    for first in range(0, 30, 3):
        stack.delete(first)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.versions() == 1 + len(stack.jobs())
    assert all("failed" not in dispatcher.says() for dispatcher in dispatchers)


def test_a_job_longer_than_the_visibility_timeout_runs_once(stack: Stack) -> None:
    """Messages are acknowledged early: the broker has nothing left to deliver again."""
    stack.hold("unlearning")
    stack.dispatcher()
    seconds = {"DRILL_VISIBILITY_SECONDS": "1"}
    workers = [stack.worker(application="tests.faults.shortsighted", **seconds) for _ in range(2)]
    stack.delete(0)
    stack.reaches("unlearning")

    time.sleep(4)
    assert sum(len(worker.runners()) for worker in workers) == 1
    stack.release("unlearning")

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
