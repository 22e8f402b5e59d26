"""Drills: what the network does between worker and Redis."""

import pytest

from service.core.tables import RequestState
from tests.faults.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.faults


def test_a_worker_whose_connections_are_reset_consumes_again(stack: Stack) -> None:
    worker = stack.worker()
    worker.has_said("ready")

    for _ in range(3):
        stack.servers.redis.proxy.reset()
    stack.dispatcher()
    stack.delete(0)

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
    assert worker.is_up


def test_a_worker_that_was_cut_off_consumes_again(stack: Stack) -> None:
    worker = stack.worker()
    worker.has_said("ready")
    stack.servers.redis.proxy.cut()
    worker.has_said("Connection to broker lost")

    stack.dispatcher()
    stack.delete(0)
    wait_until(lambda: stack.jobs(), patience=20)
    stack.servers.redis.proxy.heal()

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
    assert worker.is_up


def test_a_worker_whose_connections_are_half_open_consumes_again(stack: Stack) -> None:
    worker = stack.worker()
    worker.has_said("ready")

    stack.servers.redis.proxy.strand()
    stack.dispatcher()
    stack.delete(0)

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)
    assert worker.is_up


def test_a_slow_network_makes_it_slow_and_nothing_else(stack: Stack) -> None:
    stack.servers.redis.proxy.delay = 0.3
    stack.servers.postgres.proxy.delay = 0.01
    stack.dispatcher()
    stack.worker()
    stack.delete(0)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (1, 2)
