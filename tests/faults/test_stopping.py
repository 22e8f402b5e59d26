"""Drills: processes that are told to stop, in good times and in bad ones."""

import pytest

from service.core.tables import JobState, RequestState
from service.dispatcher.loop import STOP_SECONDS
from tests.faults.stack import Stack

pytestmark = pytest.mark.faults


def test_a_dispatcher_stops_at_once_where_the_servers_answer(stack: Stack) -> None:
    dispatcher = stack.dispatcher()
    dispatcher.has_said("dispatcher started")

    assert dispatcher.stop() < 3


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_a_dispatcher_stops_in_time_though_a_server_is_silent(stack: Stack, server: str) -> None:
    dispatcher = stack.dispatcher(UNLEARND_DATABASE_PATIENCE_SECONDS="60")
    dispatcher.has_said("dispatcher started")
    getattr(stack.servers, server).proxy.silence()
    stack.delete(0)

    assert dispatcher.stop() < STOP_SECONDS + 3


def test_a_dispatcher_stops_in_time_though_the_database_is_gone(stack: Stack) -> None:
    dispatcher = stack.dispatcher()
    dispatcher.has_said("dispatcher started")
    stack.forget_database()
    stack.servers.postgres.off()
    dispatcher.has_said("step of a sweep failed")

    assert dispatcher.stop() < STOP_SECONDS + 3


def test_a_worker_told_to_stop_hands_its_job_back_and_no_attempt_is_counted(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    assert worker.stop() < 20
    stack.state_is(JobState.QUEUED)
    assert stack.job().attempt == 0
    stack.release("unlearning")
    stack.worker()

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (1, 2)
