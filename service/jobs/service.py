"""Finding jobs, and ending them."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.core import attempts, clock, publication
from service.core.db import clock_now
from service.core.errors import IllegalMoveError, NotFoundError
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.tables import Job, JobState
from service.jobs import queries
from service.jobs.queries import FoundJob


class JobNotFoundError(NotFoundError):
    code = "job-not-found"
    title = "There is no such job"


def find(session: Session, job_id: UUID) -> FoundJob:
    found = queries.by_id(session, job_id)
    if found is None:
        raise JobNotFoundError(f"There is no job {job_id}: see GET /v1/jobs.")
    return found


def cancel(session: Session, job_id: UUID) -> FoundJob:
    """End a job that waits for a worker; note of a running one that it is to stop.

    The worker reads that with its next heartbeat. From this commit on the job can neither publish
    nor be queued again, also if its worker is dead. Asking twice is asking once.

    Raises:
        JobNotFoundError: there is none.
        IllegalMoveError: it is over, or its version waits for a decision.
    """
    job = queries.lock(session, job_id)
    if job is None:
        find(session, job_id)
    elif job.state == JobState.QUEUED:
        # Its claim would have brought it up to the clock: what it is given up on is all of that,
        # or the next sweep would make it again. Models are locked before datasets everywhere.
        model = publication.lock_model(session, job.model_id)
        job.tv = clock.read(session, model.dataset_id, lock=True)
        attempts.cancel(session, job)
    elif job.state == JobState.RUNNING:
        if job.cancel_requested_at is None:
            job.cancel_requested_at = clock_now
            record(session, kinds.JobCancelRequested(**kinds.about(job)))
    else:
        raise IllegalMoveError(refusal_of(job), state=str(job.state))
    session.flush()
    session.expire_all()
    return find(session, job_id)


def refusal_of(job: Job) -> str:
    if job.state == JobState.NEEDS_REVIEW:
        return "The job has made a version that waits for review: reject that instead."
    return f"The job is {job.state}: only one that waits or runs can be cancelled."
