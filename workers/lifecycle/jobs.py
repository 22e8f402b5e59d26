"""The life of an unlearning job, from the worker's side."""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.core import attempts, clock, publication
from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.policy import Policy
from service.core.tables import (
    Dataset,
    DeletionRequest,
    Job,
    JobPhase,
    JobReason,
    JobState,
    Model,
    ModelVersion,
    RequestState,
)
from workers.lifecycle import leases

Rows = npt.NDArray[np.int64]
Row = TypeVar("Row")
ROWS_A_CHECK = 10_000


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this worker owns, with the rows that say what to do. They are read-only here.

    `held_since` is a moment before the lease began, by this process's monotonic clock.
    """

    id: UUID
    fence: int
    attempt: int
    held_since: float
    job: Job
    model: Model
    parent: ModelVersion
    dataset: Dataset
    policy: Policy


@dataclass(frozen=True)
class ForgetSet:
    """Row positions, and a commitment that only the holder of the job's salt can open.

    `excluded` is everything with a tombstone at the clock `excluded_tv`, which may be later than
    the job's: what was deleted since the claim is not forgotten yet, and is not trained on either.
    """

    forgotten: Rows
    excluded: Rows
    excluded_tv: int
    commitment: str


def claim(session: Session, job_id: UUID, owner: str, seconds: float) -> ClaimedJob | None:
    """Take a queued job, and bring it up to the clock; None if it is not to be had now.

    The dataset's row is locked while the clock is read, so that a request is either in this job
    and can no longer be cancelled, or is not in it at all.
    """
    ready = or_(Job.run_after.is_(None), Job.run_after <= clock_now)
    job = session.scalar(
        select(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED, ready)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return None
    # Models are locked before datasets everywhere.
    model = publication.lock_model(session, job.model_id)
    if model.paused:
        return None
    # What its last job failed is this one's now.
    model.held_tv = model.failed_tv = 0
    dataset_id = model.dataset_id
    job.tv = clock.read(session, dataset_id, lock=True)
    parent = clock.head(session, job.model_id)
    if parent is None:
        raise RuntimeError(f"Model {job.model_id} has no published version.")
    job.parent, job.parent_tv = parent, parent.tv
    if session.scalar(clock.waiting_since(dataset_id, parent.tv)) is None:
        job.move_to(JobState.CANCELLED)
        code, reason = JobReason.NOTHING_LEFT, "All its requests were cancelled: nothing is left."
        attempts.close(job, code, reason)
        record(session, kinds.JobCancelled(**kinds.about(job), reason=reason, reason_code=code))
        return None
    job.move_to(JobState.RUNNING)
    held_since = time.monotonic()
    leases.take(job, owner, seconds)
    job.phase, job.progress, job.metrics = JobPhase.LOADING, 0.0, []
    job.started_at = job.heartbeat_at = clock_now
    policy = Policy.model_validate(model.policy)
    job.target_level = policy.target_level
    begin_requests(session, dataset_id, after=job.parent_tv, upto=job.tv)
    record(session, kinds.JobStarted(**kinds.about(job), parent_version=parent.number))
    session.flush()
    session.refresh(job)
    return ClaimedJob(
        id=job.id,
        fence=job.fence,
        attempt=job.attempt,
        held_since=held_since,
        job=job,
        model=job.model,
        parent=parent,
        dataset=job.model.dataset,
        policy=policy,
    )


def begin_requests(session: Session, dataset_id: int, *, after: int, upto: int) -> None:
    """The requests that a job serves are being processed, also those that failed before."""
    waiting = (RequestState.STAGED, RequestState.FAILED, RequestState.PARTIALLY_COMPLETED)
    requests = session.scalars(
        select(DeletionRequest)
        .where(
            DeletionRequest.dataset_id == dataset_id,
            DeletionRequest.tv > after,
            DeletionRequest.tv <= upto,
            DeletionRequest.state.in_(waiting),
        )
        .order_by(DeletionRequest.tv, DeletionRequest.id)
        .with_for_update()
    )
    for request in requests:
        request.move_to(RequestState.PROCESSING)


def read_forget_set(
    session: Session, claimed: ClaimedJob, check: Callable[[], None] = lambda: None
) -> ForgetSet:
    """What the job forgets, and what no training may read. Sample IDs go no further than here.

    There may be millions of them. `check` is called on the way, and ends it by raising.
    """
    job, dataset_id = claimed.job, claimed.dataset.id
    seal = hmac.new(job.commitment_salt, digestmod=hashlib.sha256)

    def sealed(stamped: Iterator[tuple[str, int]]) -> Iterator[int]:
        for sample_id, row in stamped:
            encoded = sample_id.encode()
            seal.update(len(encoded).to_bytes(4, "little") + encoded)
            yield row

    with closing(clock.forget_set(session, dataset_id, after=job.parent_tv, upto=job.tv)) as rows:
        forgotten = np.fromiter(sealed(checked(rows, check)), dtype=np.int64)
    now = clock.read(session, dataset_id)
    with closing(clock.excluded_rows(session, dataset_id, upto=now)) as positions:
        excluded = np.fromiter(checked(positions, check), dtype=np.int64)
    return ForgetSet(np.sort(forgotten), np.sort(excluded), now, seal.hexdigest())


def checked(rows: Iterator[Row], check: Callable[[], None]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number % ROWS_A_CHECK == 0:
            check()
        yield row


@dataclass(frozen=True)
class Beat:
    """What a worker tells of a running job."""

    phase: JobPhase
    progress: float
    metrics: list[dict[str, Any]] | None


def heartbeat(session: Session, claimed: ClaimedJob, beat: Beat, seconds: float) -> bool:
    """Keep the lease and store progress; whether somebody wants the job to stop.

    Raises:
        LeaseLostError: another worker has it, or it is over.
    """
    values: dict[str, Any] = {
        "phase": beat.phase,
        "progress": beat.progress,
        "heartbeat_at": clock_now,
    }
    if beat.metrics is not None:
        values["metrics"] = beat.metrics
    leases.renew(session, Job, Job.id == claimed.id, claimed.fence, seconds, **values)
    cancel = session.scalars(select(Job.cancel_requested_at).where(Job.id == claimed.id)).one()
    return cancel is not None


def lock(session: Session, claimed: ClaimedJob) -> Job:
    """The job, locked, if it is still this worker's.

    Raises:
        LeaseLostError: it is not.
    """
    return leases.lock_owned(session, Job, Job.id, claimed.id, claimed.fence)


def put_back(
    session: Session, claimed: ClaimedJob, code: JobReason, reason: str, max_attempts: int
) -> bool:
    """This attempt came to nothing: try again later, or give up after the last one.

    Whether there will be another one.
    """
    job = lock(session, claimed)
    attempts.put_back(session, job, code, reason, max_attempts=max_attempts)
    return job.state == JobState.QUEUED


def give_back(session: Session, claimed: ClaimedJob) -> bool:
    """The worker is shutting down: queue the job again, and do not count the attempt.

    Whether it waits again: one that somebody asked to stop has ended.
    """
    job = lock(session, claimed)
    if job.cancel_requested_at is not None:
        attempts.cancel(session, job)
        return False
    leases.give_back(job)
    attempts.queue_again(session, job, JobReason.WORKER_STOPPED, "The worker was shut down.")
    return True


def fail(session: Session, claimed: ClaimedJob, code: JobReason, reason: str) -> None:
    """Another attempt would end alike. A job that somebody asked to stop has ended as asked."""
    job = lock(session, claimed)
    if job.cancel_requested_at is not None:
        attempts.cancel(session, job)
        return
    attempts.fail(session, job, code, reason)


def cancel(session: Session, claimed: ClaimedJob) -> None:
    """Somebody stopped the job. The requests that it served have failed until they are retried."""
    attempts.cancel(session, lock(session, claimed))
