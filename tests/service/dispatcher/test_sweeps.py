"""A sweep goes on, whatever goes wrong in it."""

from collections.abc import Callable
from threading import Event

import pytest
from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import Dataset, Job, Model
from service.dispatcher import queries, retention, service
from service.dispatcher.loop import run
from tests import factories
from tests.service.racing import in_background
from tests.waiting import wait_until

STEPS = {
    "take back": (queries, "lapsed_jobs"),
    "settle": (queries, "datasets_to_settle"),
    "make": (queries, "models_behind"),
    "ring": (service, "due"),
    "destroy": (retention, "versions_to_destroy"),
}


def fail(*_given: object) -> None:
    raise MemoryError("Nobody thought of this.")


@pytest.mark.parametrize("step", STEPS)
def test_every_other_step_is_taken_when_one_fails(
    session: Session,
    cnn: Model,
    sweep_once: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    called = []
    for name, (module, function) in STEPS.items():
        real = getattr(module, function)

        def noted(*given: object, name: str = name, real: Callable[..., object] = real) -> object:
            called.append(name)
            return real(*given)

        monkeypatch.setattr(module, function, fail if name == step else noted)
    factories.request(session, ["s-1"])

    sent = sweep_once()

    assert called == [name for name in STEPS if name != step]
    made = session.scalars(select(Job.model_id)).all()
    assert (made, sent) == ([] if step == "make" else [cnn.id], int(step not in ("make", "ring")))


def test_one_row_that_cannot_be_worked_on_holds_up_no_other(
    database: Database, session: Session, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [factories.model(session, digits, f"net-{n}") for n in range(3)]
    factories.request(session, ["s-1"])
    real = queries.lock_behind

    def lock_behind(opened: Session, model_id: int) -> object:
        if model_id == models[1].id:
            raise MemoryError("Nobody thought of this.")
        return real(opened, model_id)

    monkeypatch.setattr(queries, "lock_behind", lock_behind)
    service.make_jobs(database)

    made = session.scalars(select(Job.model_id).order_by(Job.model_id)).all()
    assert made == [models[0].id, models[2].id]


@pytest.mark.usefixtures("cnn")
def test_the_loop_survives_what_nobody_thought_of(
    database: Database,
    session: Session,
    settings: Settings,
    celery: Celery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factories.request(session, ["s-1"])
    monkeypatch.setattr(queries, "lapsed_jobs", fail)
    stop = Event()

    def rung() -> bool:
        session.rollback()
        return session.scalar(select(Job.rung_at)) is not None

    with in_background(lambda: run(database, celery, settings, stop)) as running:
        try:
            wait_until(rung, patience=20)
        finally:
            stop.set()
        running.result(10)
