"""What becomes of a job whose attempt ended without a version."""

from datetime import timedelta

from sqlalchemy.orm import Session

from service.core import completion, events, publication
from service.core.db import clock_now
from service.core.tables import Job, JobState

BACKOFF = timedelta(seconds=2)


def put_back(session: Session, job: Job, reason: str, *, max_attempts: int) -> None:
    """Queue a running job again, or fail it once it has had all its attempts."""
    job.lease_owner, job.lease_until = None, None
    if job.attempt >= max_attempts:
        fail(session, job, f"{reason} It was tried {job.attempt} times.")
        return
    job.move_to(JobState.QUEUED)
    job.phase, job.progress, job.metrics, job.rung_at = None, 0.0, [], None
    job.run_after = clock_now + BACKOFF * 2 ** (job.attempt - 1)
    events.record_job(session, "job.requeued", job, reason=reason)


def fail(session: Session, job: Job, reason: str) -> None:
    """Give a job up. Its samples fall to the model's next job."""
    job.move_to(JobState.FAILED)
    give_up(session, job, "job.failed", reason)


def give_up(session: Session, job: Job, kind: str, reason: str) -> None:
    """What failing and being cancelled have in common: the model makes no further try by itself."""
    close(job, reason)
    model = publication.lock_model(session, job.model_id)
    events.record_job(session, kind, job, reason=reason)
    completion.give_up(session, model, job.tv)


def close(job: Job, reason: str | None) -> None:
    """What every final state has in common."""
    job.reason = reason
    job.lease_owner, job.lease_until = None, None
    job.finished_at = clock_now
