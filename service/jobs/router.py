"""`/v1/jobs`."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from service.api.pagination import (
    LimitQuery,
    Page,
    TimeCursorQuery,
    decode_time_and_id,
    encode_time_and_id,
)
from service.api.problems import problems
from service.api.schemas import ShortText
from service.api.tagged import NOT_MODIFIED, etag_of, tagged
from service.api.transactions import SessionDep, TransactionRoute
from service.core.errors import IllegalMoveError
from service.core.tables import Job, JobState
from service.jobs import queries, service
from service.jobs.queries import FoundJob
from service.jobs.schemas import JobRead
from service.jobs.service import JobNotFoundError

router = APIRouter(route_class=TransactionRoute, prefix="/v1/jobs", tags=["jobs"])
# Before this much is done, a straight line says nothing.
LEAST_PROGRESS_FOR_ETA = 0.05
POLL_AGAIN_SECONDS = "2"


def eta_of(job: Job) -> float | None:
    if (
        job.state != JobState.RUNNING
        or job.started_at is None
        or job.progress < LEAST_PROGRESS_FOR_ETA
    ):
        return None
    elapsed = (datetime.now(UTC) - job.started_at).total_seconds()
    return round(elapsed / job.progress * (1 - job.progress), 1)


def show_job(found: FoundJob) -> JobRead:
    job = found.job
    return JobRead(
        id=job.id,
        model=job.model.name,
        state=job.state,
        phase=job.phase,
        progress=round(job.progress, 4),
        eta_seconds=eta_of(job),
        attempt=job.attempt,
        reason=job.reason,
        reason_code=job.reason_code,
        parent_version=job.parent.number,
        parent_tv=job.parent_tv,
        tv=job.tv,
        version=found.version,
        target_level=job.target_level,
        level=found.level,
        metrics=job.metrics,
        cancel_requested_at=job.cancel_requested_at,
        created_at=job.created_at,
        started_at=job.started_at,
        heartbeat_at=job.heartbeat_at,
        finished_at=job.finished_at,
    )


@router.get("")
def list_jobs(
    session: SessionDep,
    state: JobState | None = None,
    model: ShortText | None = None,
    dataset: ShortText | None = None,
    limit: LimitQuery = 100,
    cursor: TimeCursorQuery = None,
) -> Page[JobRead]:
    """Jobs, the newest first."""
    before = decode_time_and_id(cursor) if cursor is not None else None
    rows = queries.page(
        session, state=state, model=model, dataset=dataset, before=before, limit=limit + 1
    )
    last = rows[limit - 1].job if len(rows) > limit else None
    return Page(
        items=[show_job(row) for row in rows[:limit]],
        next_cursor=encode_time_and_id(last.created_at, last.id) if last else None,
    )


@router.get(
    "/{job_id}", response_model=JobRead, responses={**NOT_MODIFIED, **problems(JobNotFoundError)}
)
def read_job(job_id: UUID, session: SessionDep, request: Request) -> Response:
    return tagged(request, show_job(service.find(session, job_id)))


@router.post(
    "/{job_id}:cancel",
    responses={
        202: {"model": JobRead, "description": "It runs, and was asked to stop."},
        **problems(JobNotFoundError, IllegalMoveError),
    },
)
def cancel_job(job_id: UUID, session: SessionDep, response: Response) -> JobRead:
    """End a job that waits, or ask a running one to stop: it ends within a minute.

    The requests that it served have failed until one of them is retried, or the next request of
    the dataset starts another job.
    """
    found = service.cancel(session, job_id)
    shown = show_job(found)
    response.headers["ETag"] = etag_of(shown)
    if found.job.state == JobState.RUNNING:
        response.status_code = 202
        response.headers["Retry-After"] = POLL_AGAIN_SECONDS
    return shown
