"""One sweep: take back, make, ring, destroy."""

import secrets
from datetime import timedelta

import structlog
from celery import Celery
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import attempts, completion, events
from service.core.db import Database, clock_now
from service.core.messages import IndexDataset, Message, RunJob, ValidateModel, send
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import Job, JobState
from service.dispatcher import queries
from service.dispatcher.retention import destroy_old_versions

log = structlog.get_logger(__name__)


def sweep(database: Database, app: Celery, settings: Settings) -> int:
    """Do what is due once; returns how many messages went out.

    What was marked as rung and then not sent, because the broker is away or this process dies, is
    due again after `ring_again_seconds`. No row is locked while the broker is spoken to.
    """
    with database.unit_of_work() as session:
        take_back(session, settings)
    with database.unit_of_work() as session:
        for dataset_id in queries.datasets_to_settle(session):
            completion.settle(session, dataset_id)
    with database.unit_of_work() as session:
        make_jobs(session)
    with database.unit_of_work() as session:
        messages = due(session, timedelta(seconds=settings.ring_again_seconds))
    for message in messages:
        send(app, message)
    with database.unit_of_work() as session:
        destroy_old_versions(session, LocalStore(settings.storage_dir))
    return len(messages)


def take_back(session: Session, settings: Settings) -> None:
    """Queue again, or give up, the jobs whose worker has been silent for longer than its lease."""
    for job in queries.with_lapsed_lease(session):
        log.warning("lease lapsed", job_id=str(job.id), attempt=job.attempt, owner=job.lease_owner)
        reason = "The worker stopped answering."
        attempts.put_back(session, job, reason, max_attempts=settings.max_attempts)


def make_jobs(session: Session) -> None:
    """One job for each model that is behind its dataset's clock."""
    for model, head, tv in queries.models_behind(session):
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
            continue
        events.record(session, "job.queued", model_id=model.id, job_id=made, tv=tv)
        log.info("job made", job_id=str(made), model=model.name, tv=tv)


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
