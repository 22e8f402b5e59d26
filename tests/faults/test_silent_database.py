"""Drills: a database that takes connections and says nothing."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.core.tables import RequestState
from tests.faults.stack import Stack
from tests.waiting import is_running, wait_until

pytestmark = pytest.mark.faults


def test_callers_of_a_silent_database_get_503_within_its_patience(stack: Stack) -> None:
    api = stack.api(UNLEARND_DATABASE_PATIENCE_SECONDS="1")
    assert api.post(stack.sample_ids[:2], key="before").status_code == 202
    stack.servers.postgres.proxy.silence()

    began = time.monotonic()
    with ThreadPoolExecutor(30) as callers:
        answers = list(callers.map(lambda n: api.post(stack.sample_ids[:2], f"{n}"), range(30)))
    took = time.monotonic() - began

    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    # A silent statement, and a new connection, for 20 of them and then for the others.
    assert took < 2 * (2 + 5) + 3
    assert api.http.get("/livez").status_code == 200
    stack.servers.postgres.proxy.heal()
    assert api.post(stack.sample_ids[2:4], key="after").status_code == 202


def test_a_worker_outlives_a_silence_shorter_than_its_fuse(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    stack.worker(UNLEARND_LEASE_SECONDS="20")
    stack.delete(0)
    stack.reaches("unlearning")

    stack.servers.postgres.proxy.silence()
    time.sleep(3)
    stack.servers.postgres.proxy.heal()
    stack.release("unlearning")

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.job().attempt == 1


def test_a_silence_longer_than_the_lease_ends_the_run_before_another_begins(stack: Stack) -> None:
    stack.hold("unlearning")
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.reaches("unlearning")
    run = worker.runner()

    stack.servers.postgres.proxy.silence()
    wait_until(lambda: not is_running(run), every=0.02, patience=10)
    stack.release("unlearning")
    assert stack.job().attempt == 1
    stack.servers.postgres.proxy.heal()

    stack.finishes()
    assert (stack.job().attempt, stack.versions()) == (2, 2)


def test_a_commit_whose_answer_is_lost_has_published_one_version(stack: Stack) -> None:
    stack.dispatcher()
    worker = stack.worker()
    stack.servers.postgres.proxy.lose_answer_to_commit_of(b"INSERT INTO model_versions")
    stack.delete(0)

    # It tries again, and learns that the job is over.
    worker.has_said("the job is not ours any more", patience=60)
    assert "outcome not stored yet" in worker.says()
    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert (stack.job().attempt, stack.versions()) == (1, 2)


def test_a_worker_whose_connections_are_left_half_open_replaces_them(stack: Stack) -> None:
    """Also the one for reading forget sets, whose statements may take as long as they take."""
    stack.dispatcher()
    worker = stack.worker()
    stack.delete(0)
    stack.finishes()

    stack.servers.postgres.proxy.strand()
    stack.delete(1)

    stack.finishes()
    stack.all_are(RequestState.COMPLETED)
    assert stack.versions() == 3
    assert worker.is_up
