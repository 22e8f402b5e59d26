"""Drills: a PostgreSQL that stops, crashes, cuts connections or has none left."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.core.tables import JobState
from tests.faults.load import Caller
from tests.faults.stack import Stack

pytestmark = pytest.mark.faults


def test_a_restart_during_a_job_costs_no_attempt(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    stack.worker(UNLEARND_LEASE_SECONDS="20")
    stack.delete(0)
    stack.reaches("unlearning")

    stack.forget_database()
    stack.servers.postgres.off()
    stack.release("unlearning")
    stack.servers.postgres.on()

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (1, 2)


def test_a_crash_under_load_loses_nothing_that_was_accepted(stack: Stack) -> None:
    stack.dispatcher()
    stack.worker()
    api = stack.api(UNLEARND_DATABASE_PATIENCE_SECONDS="3")
    with Caller(api, stack.sample_ids) as caller:
        caller.has_accepted(3)
        stack.forget_database()
        stack.servers.postgres.crash(signal.SIGQUIT)
        stack.servers.postgres.on()
        caller.has_accepted(caller.count + 3)

    assert caller.statuses() <= {202, 503}
    assert api.running.is_up
    stack.finishes()
    caller.check_against(stack)


def test_cut_connections_under_load_lose_nothing_that_was_accepted(stack: Stack) -> None:
    stack.dispatcher()
    stack.worker()
    api = stack.api()
    with Caller(api, stack.sample_ids) as caller:
        for count in range(2, 8, 2):
            caller.has_accepted(count)
            with stack.session() as session:
                session.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                        "datname = current_database() AND application_name LIKE 'unlearnd %'"
                    )
                )

    assert caller.statuses() <= {202, 503}
    stack.finishes()
    caller.check_against(stack)


def test_a_server_without_free_connections_is_answered_for_with_503(stack: Stack) -> None:
    api = stack.api()
    limit = f"ALTER DATABASE {stack.database_name} CONNECTION LIMIT"
    stack.forget_database()
    stack.servers.run(f"{limit} 0")
    # What is open already still works, so it is closed.
    stack.servers.postgres.proxy.reset()

    answer = api.post(stack.sample_ids[:2], key="a")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    stack.servers.run(f"{limit} -1")
    assert api.post(stack.sample_ids[:2], key="a").status_code == 202
    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()


def test_callers_whose_requests_all_wait_for_a_lock_get_503(stack: Stack) -> None:
    """More of them than there are connections, and more than there are threads."""
    api = stack.api(UNLEARND_DATABASE_PATIENCE_SECONDS="2")
    wanted = [stack.sample_ids[n : n + 2] for n in range(0, 100, 2)]
    with (
        stack.database.engine.connect() as holder,
        holder.begin(),
        ThreadPoolExecutor(len(wanted)) as callers,
    ):
        holder.execute(text("SELECT id FROM datasets FOR UPDATE"))
        answers = list(callers.map(api.post, wanted))
        assert api.http.get("/livez").status_code == 200

    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert api.post(wanted[0]).status_code == 202
    stack.dispatcher()
    stack.state_is(JobState.QUEUED)
    stack.check()
