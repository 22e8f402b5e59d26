"""One sweep: take back, settle, make, ring, destroy, forget."""

import secrets
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from celery import Celery
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import attempts, completion
from service.core.db import Database, clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.messages import IndexDataset, Message, RunJob, ValidateModel, send
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import Job, JobReason, JobState
from service.dispatcher import queries
from service.dispatcher.expiry import forget_old_keys
from service.dispatcher.retention import destroy_old_versions
from service.dispatcher.steps import each, survived

log = structlog.get_logger(__name__)


def sweep(database: Database, app: Celery, settings: Settings) -> int:
    """Do what is due once; returns how many messages went out.

    Each step is tried, whatever became of the one before: none of them needs another to succeed.
    What was marked as rung and then not sent, because the broker is away or this process dies, is
    due again after `ring_again_seconds`. No row is locked while the broker is spoken to.
    """
    take_back(database, settings)
    settle(database)
    make_jobs(database)
    sent = 0
    with survived("ring"):
        sent = ring(database, app, settings)
    destroy_old_versions(database, LocalStore(settings.storage_dir))
    with survived("forget keys"):
        forget_old_keys(database, settings.idempotency_key_hours)
    return sent


def take_back(database: Database, settings: Settings) -> None:
    """Queue again, or end, the jobs whose worker has been silent for longer than its lease."""
    each(database, "take back", queries.lapsed_jobs, partial(take_back_job, settings=settings))


def take_back_job(session: Session, job_id: UUID, settings: Settings) -> None:
    job = queries.lock_lapsed(session, job_id)
    if job is None:
        return
    log.warning("lease lapsed", job_id=str(job.id), attempt=job.attempt, owner=job.lease_owner)
    attempts.put_back(
        session,
        job,
        JobReason.WORKER_LOST,
        "The worker stopped answering.",
        max_attempts=settings.max_attempts,
    )


def settle(database: Database) -> None:
    """Complete the requests that no model is behind any more."""
    each(database, "settle", queries.datasets_to_settle, completion.settle)


def make_jobs(database: Database) -> None:
    """One job for each model that is behind its dataset's clock."""
    each(database, "make", queries.models_behind, make_job)


def make_job(session: Session, model_id: int) -> None:
    found = queries.lock_behind(session, model_id)
    if found is None:
        return
    model, head, tv = found
    made = session.scalar(
        insert(Job)
        .values(
            model_id=model.id,
            parent_id=head.id,
            parent_tv=head.tv,
            tv=tv,
            seed=secrets.randbits(53),
            commitment_salt=secrets.token_bytes(32),
            state=JobState.QUEUED,
            metrics=[],
            progress=0.0,
        )
        .on_conflict_do_nothing()
        .returning(Job.id)
    )
    if made is None:
        return
    record(session, kinds.JobQueued(model_id=model.id, job_id=made, tv=tv))
    # What earlier jobs failed is this one's now, and reads so.
    completion.settle(session, model.dataset_id)
    log.info("job made", job_id=str(made), model=model.name, tv=tv)


def ring(database: Database, app: Celery, settings: Settings) -> int:
    """Tell the workers what is due; returns how many messages went out."""
    with database.unit_of_work() as session:
        messages = due(session, timedelta(seconds=settings.ring_again_seconds))
    for message in messages:
        send(app, message)
    return len(messages)


def due(session: Session, again: timedelta) -> list[Message]:
    """The messages to send, marked as sent in this transaction."""
    messages: list[Message] = []
    for dataset in queries.datasets_to_ring(session, again):
        dataset.rung_at = clock_now
        messages.append(IndexDataset(dataset_id=dataset.id))
    for model in queries.models_to_ring(session, again):
        model.rung_at = clock_now
        messages.append(ValidateModel(model_id=model.id))
    for job in queries.jobs_to_ring(session, again):
        job.rung_at = clock_now
        messages.append(RunJob(job_id=job.id))
    return messages
