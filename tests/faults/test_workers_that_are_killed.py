"""Drills: workers that are killed."""

import pytest

from service.core.tables import JobState, RequestState
from tests.faults.stack import Stack
from tests.waiting import is_running, wait_until

pytestmark = pytest.mark.faults

PHASES = ["loading", "embedding", "modelling", "unlearning", "auditing", "publishing"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_worker_killed_in_any_phase_costs_one_attempt(stack: Stack, phase: str) -> None:
    stack.hold(phase)
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches(phase)
    run = worker.runner()

    worker.kill()
    wait_until(lambda: not is_running(run), patience=5)
    stack.release(phase)
    stack.worker()

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (2, 2)


def test_a_worker_killed_between_rename_and_transaction_publishes_one_version(
    stack: Stack,
) -> None:
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.state_is(JobState.RUNNING)
    # The transaction needs the model's row; the files are in their place before it begins.
    with stack.model_held():
        wait_until(lambda: len(list(stack.storage.glob("models/*/*"))) == 2, patience=60)
        wait_until(stack.worker_waits_for_a_lock, patience=10)
        worker.kill()
    stack.worker()

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    job = stack.job()
    assert (job.state, job.attempt, stack.versions()) == (JobState.PUBLISHED, 2, 2)


def test_a_worker_killed_right_after_the_transaction_has_published(stack: Stack) -> None:
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    wait_until(lambda: stack.versions() == 2, every=0.005, patience=60)
    worker.kill()

    stack.worker()
    stack.ring(stack.job())
    stack.delete(10)

    stack.finishes()
    assert [job.attempt for job in stack.jobs()] == [1, 1]
    assert stack.versions() == 3
