"""The drills' one check sees what it is there to see. It runs with the ordinary tests."""

import hashlib
import hmac
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import (
    Alias,
    Dataset,
    DeletionRequest,
    Job,
    JobState,
    Model,
    ModelVersion,
    RequestState,
    Tombstone,
)
from tests import factories
from tests.faults.invariants import check_invariants


@dataclass(frozen=True)
class World:
    """A model whose first request has been answered by version 2."""

    session: Session
    database: Database
    folder: Path
    model: Model
    job: Job

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def check(self) -> None:
        self.session.commit()
        check_invariants(self.database, self.storage, self.folder / "work", max_attempts=3)

    def set(self, table: Any, **values: Any) -> None:
        self.session.execute(update(table).values(**values))


def write(storage: Path, version: ModelVersion, told: dict[str, Any]) -> None:
    """Files as a runner leaves them, and the row that belongs to them."""
    staging = storage / "models" / "cnn" / "new"
    staging.mkdir(parents=True)
    (staging / "unlearning.json").write_text(json.dumps(told))
    (staging / "model.safetensors").write_bytes(b"weights")
    files = [
        {
            "path": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(staging.iterdir())
    ]
    manifest = json.dumps({"files": files}).encode()
    (staging / "manifest.json").write_bytes(manifest)
    version.digest, version.files = hashlib.sha256(manifest).hexdigest(), files
    staging.rename(staging.with_name(version.digest))


@pytest.fixture
def world(session: Session, database: Database, tmp_path: Path) -> World:
    model = factories.model(session, factories.dataset(session, rows=10))
    first = factories.head(session, model)
    write(tmp_path / "storage", first, {})
    request = factories.request(session, ["s-1"])
    job = factories.job(session, model, first, tv=1, attempt=1)
    version = factories.publish(session, model, tv=1)
    seal = hmac.new(b"salt", b"\x03\0\0\0s-1", hashlib.sha256).hexdigest()
    write(tmp_path / "storage", version, {"forgotten": {"count": 1, "commitment": seal}})
    version.job_id, job.commitment = job.id, seal
    job.state, job.finished_at = JobState.PUBLISHED, request.accepted_at
    request.state = RequestState.COMPLETED
    session.commit()
    return World(session, database, tmp_path, model, job)


def test_what_is_whole_passes(world: World) -> None:
    world.check()


def harm_file(world: World) -> None:
    for path in world.storage.glob("models/cnn/*/model.safetensors"):
        path.write_bytes(b"weightz")


def second_live_job(world: World) -> None:
    world.session.execute(text("DROP INDEX uq_jobs_live"))
    for _ in range(2):
        parent = factories.head(world.session, world.model)
        factories.job(world.session, world.model, parent, tv=2)


def leave_scratch(world: World) -> None:
    (world.folder / "work" / f"job-{world.job.id}.1").mkdir(parents=True)


def move_champion(world: World) -> None:
    first = select(ModelVersion.id).where(ModelVersion.number == 1).scalar_subquery()
    world.set(Alias, version_id=first)


def complete_too_early(world: World) -> None:
    factories.request(world.session, ["s-2"])
    world.set(DeletionRequest, state=RequestState.COMPLETED)


def half_version(world: World) -> None:
    (world.storage / "models" / "cnn" / "half").mkdir()


HARM: dict[str, Callable[[World], object]] = {
    "have no tombstone": lambda world: world.session.execute(delete(Tombstone)),
    "The clock of digits is 2": lambda world: world.set(Dataset, tv=2),
    "which cannot have any": lambda world: world.set(DeletionRequest, state=RequestState.CANCELLED),
    "and nothing will end it": lambda world: factories.request(world.session, ["s-2"]),
    "and its samples": lambda world: world.set(DeletionRequest, not_found=1),
    "completed, is 2": complete_too_early,
    "has 2 live jobs": second_live_job,
    "9 attempts of 3": lambda world: world.set(Job, attempt=9),
    "without a reason": lambda world: world.set(Job, state=JobState.FAILED),
    "is published and made 0 versions": lambda world: world.set(ModelVersion, job_id=None),
    "still owned": lambda world: world.set(Job, lease_owner="somebody"),
    "The champion of cnn is not its head": move_champion,
    "is damaged": harm_file,
    "has no directory": lambda world: shutil.rmtree(world.storage / "models"),
    "without a manifest": half_version,
    "committed to other samples": lambda world: world.set(Job, commitment="0" * 64),
    "forgot 1, not 1": lambda world: world.set(Job, commitment_salt=b"other"),
    "is left in work": leave_scratch,
}


@pytest.mark.parametrize("words", HARM)
def test_what_is_broken_is_named(world: World, words: str) -> None:
    HARM[words](world)

    with pytest.raises(AssertionError, match=words):
        world.check()
