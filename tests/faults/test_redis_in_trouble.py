"""Drills: a Redis that forgets, stops, fills up or hangs."""

import signal

import pytest
import redis

from service.core.tables import JobState, RequestState
from tests.faults.stack import Stack
from tests.faults.twins import add_twin
from tests.waiting import wait_until

pytestmark = pytest.mark.faults


def client(stack: Stack) -> redis.Redis:
    """Past the proxy."""
    return redis.Redis.from_url(stack.servers.redis.direct_url, socket_timeout=5)


def queued(stack: Stack) -> int:
    with client(stack) as server:
        return int(server.llen(f"{stack.redis_prefix}gpu"))


def test_messages_that_are_flushed_away_are_sent_again(stack: Stack) -> None:
    stack.dispatcher()
    stack.delete(0)
    wait_until(lambda: queued(stack) == 1, every=0.02, patience=20)

    with client(stack) as server:
        server.flushall()
    stack.worker()

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)


def test_a_running_job_does_not_notice_that_redis_is_gone(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")

    stack.servers.redis.crash(signal.SIGKILL)
    stack.release("unlearning")
    stack.state_is(JobState.PUBLISHED)
    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)

    # Back, and empty: the worker consumes again.
    stack.servers.redis.on()
    stack.delete(10)
    stack.finishes()
    assert worker.is_up
    assert stack.versions() == 3


def test_a_redis_that_is_away_when_work_comes_delays_it_and_no_more(stack: Stack) -> None:
    stack.servers.redis.off()
    dispatcher = stack.dispatcher()
    stack.worker()
    stack.delete(0)
    stack.state_is(JobState.QUEUED)
    dispatcher.has_said("step of a sweep failed")

    stack.servers.redis.on()

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (1, 2)


def test_a_full_redis_delays_work_and_loses_none(stack: Stack) -> None:
    with client(stack) as server:
        server.config_set("maxmemory", 1)
        try:
            dispatcher = stack.dispatcher()
            worker = stack.worker()
            stack.delete(0)
            stack.state_is(JobState.QUEUED)
            dispatcher.has_said("step of a sweep failed")
            # It has been refused something, and waits.
            worker.has_said("maxmemory", patience=60)
        finally:
            server.config_set("maxmemory", 0)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (1, 2)
    assert worker.is_up


def test_a_redis_that_fills_up_as_a_message_is_received_costs_a_ring(stack: Stack) -> None:
    """Taking a message needs no memory. Noting that it was taken does, and the worker does note."""
    add_twin(stack)
    stack.hold("unlearning")
    stack.dispatcher()
    stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")
    stack.delete(0, of="twin")
    wait_until(lambda: queued(stack) > 0, every=0.02, patience=20)
    with client(stack) as server:
        server.config_set("maxmemory", 1)
        try:
            stack.release("unlearning")
            wait_until(lambda: queued(stack) == 0, every=0.02, patience=30)
        finally:
            server.config_set("maxmemory", 0)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert [job.attempt for job in stack.jobs()] == [1, 1]


def test_a_message_lost_on_its_way_to_the_worker_is_sent_again(stack: Stack) -> None:
    """The server has handed it out, and the worker never gets it."""
    stack.worker().has_said("ready")
    stack.delete(0)
    stack.servers.redis.proxy.lose_answers()
    dispatcher = stack.dispatcher(UNLEARND_REDIS_URL=stack.servers.redis.direct_url)
    wait_until(lambda: stack.jobs() and stack.job().rung_at, every=0.02, patience=20)
    wait_until(lambda: queued(stack) == 0, every=0.02, patience=20)
    stack.servers.redis.proxy.reset()
    stack.servers.redis.proxy.heal()

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
    assert dispatcher.is_up


def test_a_frozen_redis_holds_up_neither_callers_nor_the_job_that_runs(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    stack.worker()
    api = stack.api()
    stack.delete(0)
    stack.reaches("unlearning")

    stack.servers.redis.freeze()
    try:
        assert api.post(stack.sample_ids[10:12]).status_code == 202
        stack.release("unlearning")
        stack.state_is(JobState.PUBLISHED)
    finally:
        stack.servers.redis.thaw()

    stack.finishes()
    assert stack.versions() == 3
