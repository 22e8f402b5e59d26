"""Finding jobs."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.core.errors import NotFoundError
from service.core.tables import Job
from service.jobs import queries


class JobNotFoundError(NotFoundError):
    code = "job-not-found"
    title = "There is no such job"


def find(session: Session, job_id: UUID) -> tuple[Job, int | None]:
    found = queries.by_id(session, job_id)
    if found is None:
        raise JobNotFoundError(f"There is no job {job_id}: see GET /v1/jobs.")
    return found
