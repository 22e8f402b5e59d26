"""Recording what happened, in the transaction in which it happens.

Whoever follows a request reads its events by number, so they are committed in the order of their
numbers: an event that a request shows is recorded with its dataset's row locked (decision 0012).
The one exception is `request.accepted`, which nobody can be behind of.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.tables import Dataset, Event, Job, Model


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
    """Append an event. `data` holds counts, states and versions; never a sample ID.

    An event of a job locks the dataset's row. Models are locked before datasets everywhere: who
    needs the model's row too locks it before this.
    """
    if job_id is not None:
        lock_dataset(session, model_id)
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
    """Append an event of a job; every request that the job serves by then shows it too.

    It keeps the job's clock: the next claim may raise that, and must not add past events to a
    request that came in later, behind the back of whoever follows it.
    """
    facts: dict[str, Any] = {"attempt": job.attempt, "tv": job.tv, **data}
    record(session, kind, model_id=job.model_id, job_id=job.id, **facts)


def lock_dataset(session: Session, model_id: int | None) -> None:
    """Whoever else records an event of this dataset's requests waits until this is committed."""
    of_model = select(Dataset.id).join(Model, Model.dataset_id == Dataset.id)
    locked = of_model.where(Model.id == model_id).with_for_update(of=Dataset, key_share=True)
    session.execute(locked)
