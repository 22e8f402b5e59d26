"""What becomes of a job whose attempt ended without a version."""

from datetime import timedelta

from sqlalchemy.orm import Session

from service.core import completion, publication
from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.tables import Job, JobReason, JobState

BACKOFF = timedelta(seconds=2)


def put_back(
    session: Session, job: Job, code: JobReason, reason: str, *, max_attempts: int
) -> None:
    """Queue a running job again, or fail it once it has had all its attempts.

    One that somebody asked to stop ends here: it is never begun again.
    """
    job.lease_owner, job.lease_until = None, None
    if job.cancel_requested_at is not None:
        cancel(session, job)
        return
    if job.attempt >= max_attempts:
        fail(session, job, code, f"{reason} It was tried {job.attempt} times.")
        return
    queue_again(session, job, code, reason)
    job.run_after = clock_now + BACKOFF * 2 ** (job.attempt - 1)


def queue_again(session: Session, job: Job, code: JobReason, reason: str) -> None:
    """A running job waits again, as if it had not begun."""
    job.move_to(JobState.QUEUED)
    job.phase, job.progress, job.metrics, job.rung_at = None, 0.0, [], None
    record(session, kinds.JobRequeued(**kinds.about(job), reason=reason, reason_code=code))


def fail(session: Session, job: Job, code: JobReason, reason: str) -> None:
    """Give a job up. Its samples fall to the model's next job."""
    job.move_to(JobState.FAILED)
    give_up(session, job, kinds.JobFailed, code, reason)


def cancel(session: Session, job: Job) -> None:
    """End a job because somebody asked for it. Its requests have failed until they are retried."""
    job.move_to(JobState.CANCELLED)
    reason = "Cancelled by request."
    give_up(session, job, kinds.JobCancelled, JobReason.CANCELLED, reason)


def give_up(
    session: Session, job: Job, kind: type[kinds.JobGivenUp], code: JobReason, reason: str
) -> None:
    """What failing and being cancelled have in common: the model makes no further try by itself."""
    close(job, code, reason)
    model = publication.lock_model(session, job.model_id)
    record(session, kind(**kinds.about(job), reason=reason, reason_code=code))
    completion.give_up(session, model, job.tv)


def close(job: Job, code: JobReason | None, reason: str | None) -> None:
    """What every final state has in common. Only a published job has no reason."""
    job.reason_code, job.reason = code, reason
    job.lease_owner, job.lease_until = None, None
    job.finished_at = clock_now
