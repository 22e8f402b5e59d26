"""Runs that come to a good end and cannot be published."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import Event, Job, Model
from tests import factories
from workers import supervision
from workers.plan import Unlearned, UnlearnPlan, Validated, ValidatePlan

Task = Callable[[dict[str, Any]], None]
FULL = OSError(28, "No space left on device")
REASON = "A file could not be read or written: No space left on device."


@pytest.fixture
def model(session: Session, worker: Settings) -> Model:
    assert worker.max_attempts == 3
    return factories.model(session, factories.dataset(session))


@pytest.fixture
def job(session: Session, model: Model) -> Job:
    request = factories.request(session, ["s-1", "s-2"])
    return factories.job(session, model, factories.head(session, model), tv=request.tv)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that takes no version."""

    def publish(*_: Any) -> None:
        raise FULL

    monkeypatch.setattr(LocalStore, "publish", publish)


def comes_to_a_version(plan: UnlearnPlan | ValidatePlan, *_: Any) -> Unlearned | Validated:
    (plan.staging / "manifest.json").write_text("{}", encoding="utf-8")
    made = factories.unlearned()
    return made if isinstance(plan, UnlearnPlan) else Validated(written=made.written)


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "run", comes_to_a_version)


@pytest.mark.usefixtures("full")
def test_a_job_whose_version_finds_no_room_is_tried_again_for_that_reason(
    session: Session, job: Job, run_job: Task
) -> None:
    for _attempt in range(3):
        job.run_after = None
        session.commit()
        run_job({"job_id": job.id})
        session.refresh(job)
        assert job.lease_owner is None

    assert (job.state, job.attempt) == ("failed", 3)
    assert job.reason == f"{REASON} It was tried 3 times."
    assert job.reason_code == "disk_full"


@pytest.mark.usefixtures("full")
def test_a_model_whose_first_version_finds_no_room_is_tried_again_for_that_reason(
    session: Session, model: Model, validate_model: Task
) -> None:
    factories.unpublish(session, model)
    for _attempt in range(3):
        validate_model({"model_id": model.id})
        session.refresh(model)
        assert model.lease_owner is None

    assert (model.state, model.reason) == ("invalid", f"{REASON} It was tried 3 times.")


def test_a_job_whose_parent_was_overtaken_is_queued_again_and_begins_from_the_new_head(
    session: Session,
    database: Database,
    model: Model,
    job: Job,
    run_job: Task,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_overtaken(plan: UnlearnPlan, *_: Any) -> Unlearned | Validated:
        with database.session() as other:
            factories.publish(other, other.get_one(Model, model.id), tv=0)
        return comes_to_a_version(plan)

    monkeypatch.setattr(supervision, "run", is_overtaken)
    run_job({"job_id": job.id})
    session.refresh(job)
    assert (job.state, job.attempt, job.lease_owner) == ("queued", 1, None)
    (told,) = session.scalars(select(Event.data).where(Event.kind == "job.requeued"))
    assert told["reason_code"] == "overtaken"

    monkeypatch.setattr(supervision, "run", comes_to_a_version)
    job.run_after = None
    session.commit()
    run_job({"job_id": job.id})

    session.refresh(job)
    head = factories.head(session, model)
    assert (job.state, head.number, head.parent_id) == ("published", 3, job.parent_id)


def test_a_job_that_finds_no_scratch_space_is_tried_again(
    session: Session, worker: Settings, job: Job, run_job: Task
) -> None:
    worker.home_dir.mkdir(parents=True)
    worker.scratch_dir.write_text("a file where the folder should be", encoding="utf-8")

    run_job({"job_id": job.id})

    session.refresh(job)
    assert (job.state, job.attempt, job.lease_owner) == ("queued", 1, None)
