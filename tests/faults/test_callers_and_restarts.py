"""Drills: callers whose API dies, and restarts of everything under load."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from sqlalchemy import text

from service.core.tables import JobState
from tests.faults.load import Caller
from tests.faults.stack import API, Stack
from tests.service.racing import wait_for_blocked

pytestmark = pytest.mark.faults


def test_an_api_killed_in_the_middle_of_a_request_has_accepted_it_once_or_not_at_all(
    stack: Stack,
) -> None:
    first = stack.api()
    with (
        ThreadPoolExecutor(1) as pool,
        stack.database.engine.connect() as holder,
        holder.begin(),
    ):
        holder.execute(text("SELECT id FROM datasets FOR UPDATE"))
        asked = pool.submit(first.post, stack.sample_ids[:2], "key")
        wait_for_blocked(stack.database, asked)
        first.running.kill()
        with pytest.raises(httpx2.TransportError):
            asked.result(10)

    answers = [stack.api().post(stack.sample_ids[:2], "key") for _ in range(2)]

    assert {answer.status_code for answer in answers} == {202}
    assert answers[0].content == answers[1].content
    with stack.session() as session:
        assert session.scalar(text("SELECT count(*) FROM deletion_requests")) == 1
    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()


def test_fifty_duplicates_at_once_over_two_apis_are_one_request(stack: Stack) -> None:
    apis = [stack.api(), stack.api()]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: apis[n % 2].post(stack.sample_ids[:2], "key"), range(50)))

    given = {answer.content for answer in answers if answer.status_code == 202}
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len(given) == 1
    with stack.session() as session:
        assert session.scalar(text("SELECT count(*) FROM deletion_requests")) == 1
        assert session.scalar(text("SELECT tv FROM datasets")) == 1


def test_a_rolling_restart_under_load_loses_no_request_and_fails_none(stack: Stack) -> None:
    """Each process is stopped when its successor is up, as a deployment does it."""
    dispatcher, worker = stack.dispatcher(), stack.worker()
    old = stack.api()
    with Caller(old, stack.sample_ids) as caller:
        caller.has_accepted(3)
        new = stack.api()
        caller.turn_to(new)
        caller.has_accepted(caller.count + 2)
        old.running.stop()

        successor = stack.dispatcher()
        successor.has_said("dispatcher started")
        dispatcher.stop()

        stack.worker().has_said("ready")
        worker.stop()
        caller.has_accepted(caller.count + 3)

    assert caller.statuses() == {202}
    stack.finishes()
    caller.check_against(stack)
    assert all(job.attempt == 1 for job in stack.jobs())


def test_an_api_told_to_stop_answers_what_it_has_begun(stack: Stack) -> None:
    api = stack.api()
    with ThreadPoolExecutor(2) as pool:
        with stack.database.engine.connect() as holder, holder.begin():
            holder.execute(text("SELECT id FROM datasets FOR UPDATE"))
            asked = pool.submit(api.post, stack.sample_ids[:2], "key")
            wait_for_blocked(stack.database, asked)
            stopped = pool.submit(api.running.stop)
            api.running.has_said("Shutting down")
        assert asked.result(20).status_code == 202
        assert stopped.result(20) < 15

    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()


def test_a_dispatcher_killed_under_load_is_replaced_by_its_next_start(stack: Stack) -> None:
    stack.worker()
    api: API = stack.api()
    with Caller(api, stack.sample_ids) as caller:
        for _ in range(3):
            dispatcher = stack.dispatcher()
            dispatcher.has_said("dispatcher started")
            caller.has_accepted(caller.count + 2)
            dispatcher.kill()
        stack.dispatcher()

    assert caller.statuses() == {202}
    stack.finishes()
    caller.check_against(stack)
