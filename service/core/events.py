"""Recording what happened, in the transaction in which it happens."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from service.core.tables import Event, Job


def record(
    session: Session,
    kind: str,
    *,
    dataset_id: int | None = None,
    model_id: int | None = None,
    request_id: UUID | None = None,
    job_id: UUID | None = None,
    **data: Any,
) -> None:
    """Append an event. `data` holds counts, states and versions; never a sample ID."""
    session.add(
        Event(
            kind=kind,
            dataset_id=dataset_id,
            model_id=model_id,
            request_id=request_id,
            job_id=job_id,
            data=data,
        )
    )


def record_job(session: Session, kind: str, job: Job, **data: Any) -> None:
    """Append an event of a job; every request that the job serves shows it too."""
    record(session, kind, model_id=job.model_id, job_id=job.id, attempt=job.attempt, **data)
