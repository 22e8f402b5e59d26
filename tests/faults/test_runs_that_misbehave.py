"""Drills: runs that die, crash, hang or freeze."""

import os
import signal
import time

import pytest

from service.core.tables import JobState, RequestState
from tests.faults.stack import Stack
from tests.faults.twins import add_twin
from tests.waiting import is_running, wait_until

pytestmark = pytest.mark.faults


def test_a_run_that_is_killed_costs_one_attempt_and_not_the_worker(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    os.kill(worker.runner(), signal.SIGKILL)
    stack.release("unlearning")

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (2, 2)
    assert worker.is_up


def test_a_poisoned_job_fails_with_a_reason_and_holds_up_no_other_model(stack: Stack) -> None:
    add_twin(stack)
    stack.order("crash", "loading")
    stack.dispatcher()
    worker = stack.worker(UNLEARND_MAX_ATTEMPTS="2")
    poisoned, healthy = stack.delete(0), stack.delete(0, of="twin")

    stack.state_is(JobState.PUBLISHED)
    failed = stack.state_is(JobState.FAILED)
    assert (failed.model_id, failed.attempt) == (stack.model("digits").id, 2)
    assert "SIGSEGV" in (failed.reason or "")
    assert stack.request(poisoned).state == RequestState.FAILED
    assert stack.request(healthy).state == RequestState.COMPLETED
    (stack.drill / "crash-loading").unlink()
    stack.delete(10)

    stack.finishes()
    # The failed job's samples fell to the next one, and so its request is complete, too.
    stack.all_are(RequestState.COMPLETED)
    assert worker.is_up


@pytest.mark.parametrize("number", [0, signal.SIGSTOP], ids=["hanging", "frozen"])
def test_a_run_that_hangs_or_is_frozen_is_ended_at_the_time_limit(
    stack: Stack, number: int
) -> None:
    stack.hold("loading")
    stack.dispatcher()
    worker = stack.worker(UNLEARND_JOB_TIME_LIMIT_SECONDS="4")
    stack.delete(0)
    run = worker.runner()
    os.kill(run, number)

    wait_until(lambda: not is_running(run), patience=15)
    worker.has_said("attempt failed")
    worker.stop()
    stack.release("loading")
    stack.worker()

    stack.finishes()
    assert stack.versions() == 2
    assert "It took longer than the limit of 4 seconds." in stack.reasons("job.requeued")


def test_a_frozen_run_that_wakes_up_goes_on_as_if_nothing_had_been(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")
    run = worker.runner()

    os.kill(run, signal.SIGSTOP)
    stack.release("unlearning")
    time.sleep(4)  # Longer than the lease, which its supervisor keeps.
    os.kill(run, signal.SIGCONT)

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
