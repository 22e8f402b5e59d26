"""Files whose version was never stored are removed, and no others."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.storage import LocalStore
from service.core.tables import Event, Job, Model
from tests import factories
from tests.service.racing import in_background, wait_for_blocked
from workers.lifecycle import jobs, litter, publishing
from workers.lifecycle.jobs import ClaimedJob
from workers.plan import Unlearned

Claim = Callable[[Job], ClaimedJob]
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "storage")


def put(
    store: LocalStore, digest: str, job_id: UUID | None, *, age: float = 2 * DAY, model: str = "cnn"
) -> Path:
    """A directory as a worker moves it to its final name."""
    staging = store.staging(digest)
    (staging / "model.safetensors").write_bytes(b"weights")
    told = {} if job_id is None else {"job_id": str(job_id)}
    (staging / "unlearning.json").write_text(json.dumps(told), encoding="utf-8")
    (staging / "manifest.json").write_text("{}", encoding="utf-8")
    then = time.time() - age
    os.utime(staging, (then, then))
    return store.publish(staging, model, digest)


def sweep(database: Database, store: LocalStore) -> int:
    return litter.sweep(database, store, older_than=DAY)


def test_what_a_killed_worker_moved_and_did_not_store_is_removed(
    database: Database, session: Session, store: LocalStore, job: Job
) -> None:
    left = put(store, "d1", job.id)

    assert sweep(database, store) == 1

    assert not left.exists()
    told = session.scalars(select(Event).where(Event.kind == "version.abandoned")).one()
    assert (told.model_id, told.data) == (job.model_id, {"job": str(job.id), "digest": "d1"})
    assert sweep(database, store) == 0


def test_what_is_not_litter_for_certain_is_left(
    database: Database, session: Session, store: LocalStore, job: Job, cnn: Model
) -> None:
    other = factories.model(session, cnn.dataset, "other")
    kept = [
        put(store, factories.head(session, cnn).digest, None),
        put(store, factories.head(session, other).digest, job.id, model="other"),
        put(store, "young", job.id, age=DAY / 2),
        put(store, "of-another-database", uuid4()),
        put(store, "of-another-model", job.id, model="other"),
        put(store, "an-import", None),
    ]
    unreadable = put(store, "unreadable", job.id)
    (unreadable / "unlearning.json").write_text("{", encoding="utf-8")
    os.utime(unreadable, (0, 0))

    assert sweep(database, store) == 0
    assert all(path.exists() for path in [*kept, unreadable])


def test_a_storage_without_any_version_has_no_litter(database: Database, store: LocalStore) -> None:
    assert sweep(database, store) == 0


def same_files(digest: str) -> Unlearned:
    made = factories.unlearned()
    return made.model_copy(update={"written": made.written.model_copy(update={"digest": digest})})


def test_files_that_a_running_job_may_be_about_to_publish_are_left(
    database: Database, session: Session, store: LocalStore, job: Job, claim: Claim
) -> None:
    """A job that runs again may make the very same files, and then those of before are kept."""
    files = put(store, "d1", job.id)
    claimed = claim(job)

    assert sweep(database, store) == 0
    with database.unit_of_work() as other:
        publishing.publish(other, claimed, same_files("d1"))
    assert sweep(database, store) == 0

    session.expire_all()
    assert factories.head(session, job.model).digest == "d1"
    assert files.exists()


def test_a_sweep_waits_for_a_claim_and_then_leaves_the_files(
    database: Database, store: LocalStore, job: Job
) -> None:
    files = put(store, "d1", job.id)
    with database.session() as claiming:
        assert jobs.claim(claiming, job.id, "worker", 60) is not None
        with in_background(lambda: sweep(database, store)) as sweeping:
            try:
                wait_for_blocked(database, sweeping)
            finally:
                claiming.commit()
            assert sweeping.result(20) == 0

    assert files.exists()


def test_a_claim_waits_for_a_sweep_and_then_its_job_publishes_its_own_files(
    database: Database,
    session: Session,
    store: LocalStore,
    job: Job,
    claim: Claim,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(store, "d1", job.id)
    really, claiming = LocalStore.destroy, list[Future[ClaimedJob]]()
    with ThreadPoolExecutor(1) as pool:

        def destroy_while_somebody_claims(self: LocalStore, model: str, digest: str) -> None:
            claiming.append(pool.submit(claim, job))
            wait_for_blocked(database, *claiming)
            really(self, model, digest)

        monkeypatch.setattr(LocalStore, "destroy", destroy_while_somebody_claims)
        assert sweep(database, store) == 1
        claimed = claiming[0].result(20)

    files = put(store, "d1", job.id)
    assert sweep(database, store) == 0
    with database.unit_of_work() as other:
        publishing.publish(other, claimed, same_files("d1"))
    assert sweep(database, store) == 0
    assert factories.head(session, job.model).digest == "d1"
    assert files.exists()
