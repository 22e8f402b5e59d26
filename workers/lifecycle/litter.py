"""Files that were moved to their final name by a worker that died before it stored the row."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service.core import publication
from service.core.db import Database
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.storage import LocalStore
from service.core.tables import Job, JobState, Model, ModelVersion

PROVENANCE = "unlearning.json"

log = structlog.get_logger(__name__)


def sweep(database: Database, store: LocalStore, *, older_than: float) -> int:
    """Remove directories that no version has, and that have been as they are for so many seconds.

    They hold what later versions have forgotten. Only what a job of this database made is touched,
    so a database that is not the storage's own removes nothing.

    Raises:
        OSError, sqlalchemy.exc.DBAPIError: the storage or the database is away.
    """
    removed = 0
    for model, digest, job_id in candidates(database, store, older_than):
        with database.unit_of_work() as session:
            model_id = owner_of_litter(session, model, digest, job_id)
            if model_id is None or not store.directory(model, digest).exists():
                continue
            store.destroy(model, digest)
            removed += 1
            abandoned = kinds.VersionAbandoned(model_id=model_id, job=str(job_id), digest=digest)
            record(session, abandoned)
            log.warning("removed files without a version", model=model, digest=digest)
    return removed


def candidates(
    database: Database, store: LocalStore, older_than: float
) -> Iterator[tuple[str, str, UUID]]:
    """Model, digest and job of what may be litter: old enough, and of no version that is known."""
    before = time.time() - older_than
    query = select(Model.name, ModelVersion.digest).join(ModelVersion.model)
    with database.unit_of_work() as session:
        known = {(name, digest) for name, digest in session.execute(query)}
    for directory in store.versions():
        model, digest = directory.parent.name, directory.name
        if (model, digest) in known or directory.stat().st_mtime > before:
            continue
        job_id = maker_of(directory)
        if job_id is not None:
            yield model, digest, job_id


def maker_of(directory: Path) -> UUID | None:
    """The job that made these files, as they say themselves; None where they name none."""
    try:
        told = json.loads((directory / PROVENANCE).read_text(encoding="utf-8"))
        return UUID(told["job_id"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def owner_of_litter(session: Session, name: str, digest: str, job_id: UUID) -> int | None:
    """The model, if nobody has these files, and nobody can come to have them before the commit.

    A job that is about to publish them, also one that made the very same files again, is running;
    and no job of a model begins to run while the model's row is locked.
    """
    model_id = session.scalar(select(Job.model_id).where(Job.id == job_id))
    if model_id is None or publication.lock_model(session, model_id).name != name:
        return None
    running = exists().where(Job.model_id == model_id, Job.state == JobState.RUNNING)
    stored = exists().where(ModelVersion.model_id == model_id, ModelVersion.digest == digest)
    return None if session.scalars(select(running | stored)).one() else model_id
