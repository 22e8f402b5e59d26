"""What the dispatcher tells the workers, as it lies in Redis."""

import base64
import json
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import redis
from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.messages import celery_app
from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState, Job, JobState, Model, ModelState
from service.dispatcher.loop import run
from service.dispatcher.service import due, sweep
from tests import factories
from tests.service.racing import in_background

Sweep = Callable[[], int]
Queued = Callable[[str], list[dict[str, Any]]]


def told(message: dict[str, Any]) -> tuple[str, list[Any]]:
    """The task of a message and its arguments."""
    args, kwargs, _embed = json.loads(base64.b64decode(message["body"]))
    assert kwargs == {}
    return message["headers"]["task"], args


def test_a_job_is_rung_on_the_gpus_queue_by_its_key_alone(
    session: Session, cnn: Model, sweep_once: Sweep, queued: Queued
) -> None:
    factories.request(session, ["s-1"])

    assert sweep_once() == 1

    (job,) = session.scalars(select(Job)).all()
    assert [told(message) for message in queued("gpu")] == [
        ("unlearnd.run_job", [{"job_id": str(job.id)}])
    ]
    assert queued("cpu") == []
    assert (job.model_id, job.rung_at is not None) == (cnn.id, True)


def test_datasets_and_models_are_rung_on_the_cpus_queue_by_their_keys_alone(
    session: Session, digits: Dataset, cnn: Model, sweep_once: Sweep, queued: Queued
) -> None:
    digits.state, cnn.state = DatasetState.INDEXING, ModelState.VALIDATING
    session.commit()

    assert sweep_once() == 2

    assert [told(message) for message in queued("cpu")] == [
        ("unlearnd.index_dataset", [{"dataset_id": digits.id}]),
        ("unlearnd.validate_model", [{"model_id": cnn.id}]),
    ]
    assert queued("gpu") == []


@pytest.mark.usefixtures("cnn")
def test_nothing_due_is_nothing_rung(
    sweep_once: Sweep, broker: redis.Redis, settings: Settings
) -> None:
    assert sweep_once() == 0
    assert list(broker.scan_iter(f"{settings.redis_prefix}*")) == []


def age(seconds: float) -> Any:
    return clock_now - timedelta(seconds=seconds)


@pytest.mark.usefixtures("cnn")
def test_what_nobody_claims_is_rung_again_and_not_too_soon(
    session: Session, settings: Settings, sweep_once: Sweep, queued: Queued
) -> None:
    factories.request(session, ["s-1"])
    assert [sweep_once(), sweep_once()] == [1, 0]

    job = session.scalars(select(Job)).one()
    job.rung_at = age(settings.ring_again_seconds + 0.1)
    session.commit()

    assert [sweep_once(), sweep_once()] == [1, 0]
    first, second = queued("gpu")
    assert told(first) == told(second)


def test_a_job_that_waits_for_its_next_attempt_is_not_rung(
    session: Session, cnn: Model, sweep_once: Sweep
) -> None:
    factories.request(session, ["s-1"])
    job = factories.job(session, cnn, factories.head(session, cnn), tv=1, run_after=age(-60))
    assert sweep_once() == 0

    job.run_after = age(0)
    session.commit()
    assert sweep_once() == 1


@pytest.mark.parametrize(("remaining", "rung"), [(60, 0), (-1, 1)])
def test_what_a_worker_holds_is_rung_only_when_its_lease_is_over(
    session: Session, sweep_once: Sweep, remaining: float, rung: int
) -> None:
    factories.dataset(
        session, state=DatasetState.INDEXING, lease_owner="worker", lease_until=age(-remaining)
    )

    assert sweep_once() == rung


def test_a_job_that_is_over_is_not_rung(session: Session, cnn: Model, sweep_once: Sweep) -> None:
    factories.job(session, cnn, factories.head(session, cnn), tv=0, state=JobState.CANCELLED)

    assert sweep_once() == 0


@pytest.mark.usefixtures("cnn")
def test_two_dispatchers_ring_once(
    database: Database, session: Session, settings: Settings, sweep_once: Sweep
) -> None:
    factories.request(session, ["s-1"])
    factories.dataset(session, "other", state=DatasetState.INDEXING)
    with database.unit_of_work() as first:
        assert len(due(first, timedelta(seconds=settings.ring_again_seconds))) == 1
        # The dataset is the first one's, so that the second rings for the job it made.
        assert sweep_once() == 1


@pytest.mark.usefixtures("cnn")
def test_no_sample_id_is_in_any_message(
    session: Session, sweep_once: Sweep, broker: redis.Redis, settings: Settings
) -> None:
    secret = "sid-SECRET-1"
    factories.samples(session, [secret])
    factories.request(session, [secret, f"{secret}-unknown"], client_reference="about-SECRET")
    factories.dataset(session, "other", state=DatasetState.INDEXING)
    assert sweep_once() == 2

    seen = []
    for key in broker.scan_iter(f"{settings.redis_prefix}*"):
        kind: Any = broker.type(key)
        values: Any = broker.lrange(key, 0, -1) if kind == b"list" else broker.smembers(key)
        seen += [key, *values]
    lying = b"\n".join(seen)
    bodies = b"\n".join(
        base64.b64decode(json.loads(one)["body"]) for one in seen if one.startswith(b'{"body"')
    )
    assert bodies.count(b"job_id") == 1
    assert b"SECRET" not in lying + bodies


@pytest.fixture
def deaf(settings: Settings) -> Any:
    """A Celery application whose broker is away."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        app = celery_app(settings, f"redis://127.0.0.1:{taken.getsockname()[1]}/0")
        yield app
        app.close()


@pytest.mark.usefixtures("cnn")
def test_the_loop_goes_on_without_a_broker_and_what_was_not_rung_is_due_again(
    database: Database, session: Session, settings: Settings, deaf: Celery, celery: Celery
) -> None:
    factories.request(session, ["s-1"])
    stop = Event()
    # A call of the broker that is away takes seconds on a busy machine.
    quick = settings.model_copy(
        update={"dispatch_interval_seconds": 0.05, "ring_again_seconds": 60}
    )

    with in_background(lambda: run(database, deaf, quick, stop)) as running:
        try:
            wait_until(lambda: rung_at(session) is not None, running)
            # A later sweep still does its work.
            factories.dataset(session, "other", state=DatasetState.INDEXING)
            wait_until(lambda: dataset_rung(session), running)
        finally:
            stop.set()
        running.result()

    assert sweep(database, celery, quick) == 0
    for table in (Job, Dataset):
        session.execute(update(table).values(rung_at=age(quick.ring_again_seconds + 1)))
    session.commit()
    assert sweep(database, celery, quick) == 2


def rung_at(session: Session) -> Any:
    session.rollback()
    return session.scalar(select(Job.rung_at))


def dataset_rung(session: Session) -> bool:
    session.rollback()
    query = select(Dataset.rung_at).where(Dataset.name == "other")
    return session.scalars(query).one() is not None


def wait_until(happens: Callable[[], bool], running: Any) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert not running.done(), running.result()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_loop_ends_when_it_is_told_to(
    database: Database, celery: Celery, settings: Settings
) -> None:
    stop = Event()
    slow = settings.model_copy(update={"dispatch_interval_seconds": 600})

    with in_background(lambda: run(database, celery, slow, stop)) as running:
        stop.set()
        running.result(10)


def test_the_loop_goes_on_without_a_database(settings: Settings, celery: Celery) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://nobody@127.0.0.1:{taken.getsockname()[1]}/nothing"
        away, stop = Database(url), Event()
        quick = settings.model_copy(update={"dispatch_interval_seconds": 0.01})
        with in_background(lambda: run(away, celery, quick, stop)) as running:
            with pytest.raises(TimeoutError):
                running.result(0.3)
            stop.set()
            running.result(10)
        away.dispose()
