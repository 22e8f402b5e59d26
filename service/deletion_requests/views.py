"""From rows to what is shown of them."""

import math
from datetime import UTC, datetime
from functools import partial

from fastapi import Request
from sqlalchemy.orm import Session

from service.api.links import path_of
from service.core.tables import (
    DeletionRequest,
    DeletionRequestSample,
    Disposition,
    Job,
    JobState,
    ModelVersion,
    RequestState,
)
from service.deletion_requests import queries
from service.deletion_requests.details import detail_of
from service.deletion_requests.schemas import (
    Counts,
    DeletionRequestRead,
    JobSummary,
    Links,
    SampleRead,
    VersionSummary,
)


def staged_reads_as(request: DeletionRequest) -> Disposition:
    """What a stored `staged` is called, now that its request has come this far."""
    if request.state == RequestState.CANCELLED:
        return Disposition.CANCELLED
    return Disposition.UNLEARNED if request.unlearned else Disposition.STAGED


def stored_as(request: DeletionRequest, wanted: Disposition) -> Disposition | None:
    """The stored disposition of the samples that read as `wanted`; None if there can be none."""
    if wanted in (Disposition.STAGED, Disposition.UNLEARNED, Disposition.CANCELLED):
        return Disposition.STAGED if staged_reads_as(request) == wanted else None
    return wanted


def show_sample(request: DeletionRequest, row: DeletionRequestSample) -> SampleRead:
    staged = row.disposition == Disposition.STAGED
    return SampleRead(
        position=row.position,
        sample_id=row.sample_id,
        disposition=staged_reads_as(request) if staged else row.disposition,
    )


def counts_of(request: DeletionRequest) -> Counts:
    counts = Counts(
        total=request.total,
        not_found=request.not_found,
        already_deleted=request.already_deleted,
        duplicate=request.duplicate,
    )
    setattr(counts, staged_reads_as(request).value, request.staged)
    return counts


def progress_of(
    request: DeletionRequest, jobs: list[tuple[Job, int | None]], answered: int, models: int
) -> float:
    """The mean over the models: 1 for one that has caught up, else how far its live job is."""
    if request.state == RequestState.COMPLETED or not models:
        return 1.0
    running = sum(job.progress for job, _ in jobs if job.state == JobState.RUNNING)
    return round(min(1.0, (answered + running) / models), 4)


def show_request(http: Request, session: Session, request: DeletionRequest) -> DeletionRequestRead:
    jobs = queries.jobs(session, request) if request.tv else []
    versions = queries.answering_versions(session, request) if request.tv else []
    models = queries.models(session, request.dataset_id)
    shown = compose(http, request, request.dataset.name, jobs, versions, models)
    shown.detail = detail_of(session, request, jobs, versions)
    return shown


def show_accepted(
    http: Request, session: Session, dataset: str, request: DeletionRequest
) -> DeletionRequestRead:
    """A request that was stored in this transaction: if it waits, it has no job and no version.

    Nothing is looked up for it then, because the dataset's clock is locked.
    """
    if request.state == RequestState.STAGED and request.staged:
        return compose(http, request, dataset, [], [], models=1)
    return show_request(http, session, request)


def compose(
    http: Request,
    request: DeletionRequest,
    dataset: str,
    jobs: list[tuple[Job, int | None]],
    versions: list[ModelVersion],
    models: int,
) -> DeletionRequestRead:
    path = partial(path_of, http)
    left = (request.due_at - datetime.now(UTC)).total_seconds() if request.due_at else None
    settled = request.state in queries.SETTLED
    return DeletionRequestRead(
        id=request.id,
        dataset=dataset,
        state=request.state,
        status=request.state,
        detail=request.detail,
        tv=request.tv,
        counts=counts_of(request),
        progress=progress_of(request, jobs, len(versions), models),
        regulation=request.regulation,
        client_reference=request.client_reference,
        received_at=request.received_at,
        accepted_at=request.accepted_at,
        due_at=request.due_at,
        days_left=None if left is None or settled else math.floor(left / 86_400),
        overdue=left is not None and left < 0 and not settled,
        completed_at=request.completed_at,
        jobs=[
            JobSummary(
                id=job.id,
                model=job.model.name,
                state=job.state,
                phase=job.phase,
                progress=job.progress,
                attempt=job.attempt,
                reason=job.reason,
                reason_code=job.reason_code,
                version=number,
                href=path("read_job", job_id=job.id),
            )
            for job, number in jobs
        ],
        versions=[
            VersionSummary(
                model=version.model.name,
                version=version.number,
                digest=version.digest,
                tv=version.tv,
                href=path("read_version", name=version.model.name, number=version.number),
            )
            for version in versions
        ],
        links=Links(
            self=path("read_deletion_request", request_id=request.id),
            samples=path("list_samples", request_id=request.id),
            events=path("list_events", request_id=request.id),
            dataset=path("read_dataset", name=dataset),
        ),
    )
