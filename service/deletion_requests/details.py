"""The sentences of a request's `detail`: what its state alone does not tell."""

from sqlalchemy.orm import Session

from service.core.tables import DeletionRequest, Job, JobState, ModelVersion, RequestState
from service.deletion_requests import queries

NAMED = 5
CAME_TO_NOTHING = (JobState.FAILED, JobState.CANCELLED)


def detail_of(
    session: Session,
    request: DeletionRequest,
    jobs: list[tuple[Job, int | None]],
    versions: list[ModelVersion],
) -> str | None:
    """What was noted when it was accepted or settled, and what became of its models since."""
    said = [request.detail] if request.detail else []
    if request.state == RequestState.COMPLETED and request.tv:
        late = queries.models_behind(session, request)
        said += [registered_later(late)] if late else []
    elif request.state in (RequestState.FAILED, RequestState.PARTIALLY_COMPLETED):
        said += reasons(jobs, versions)
    return " ".join(said) or None


def registered_later(names: list[str]) -> str:
    # A completed request had every model of its time, so whoever is behind came afterwards.
    was, has = ("was", "has") if len(names) == 1 else ("were", "have")
    return (
        f"{listed(names)} {was} registered later and {has} not been unlearned up to this request "
        "yet."
    )


def listed(names: list[str]) -> str:
    shown = names[:NAMED]
    if len(names) > NAMED:
        shown.append(f"{len(names) - NAMED} others")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def reasons(jobs: list[tuple[Job, int | None]], versions: list[ModelVersion]) -> list[str]:
    """Of each model that does not answer the request, why its last job came to nothing."""
    answered = {version.model_id for version in versions}
    last = {
        job.model_id: (job, number)
        for job, number in jobs
        if job.model_id not in answered and job.state in CAME_TO_NOTHING
    }
    return [reason_of(job, number) for job, number in last.values()]


def reason_of(job: Job, number: int | None) -> str:
    reason = job.reason or f"its job was {job.state}."
    # A job that failed and made a version waited for review, and the version was rejected.
    if number is not None:
        return f"{job.model.name}: version {number} was rejected. {reason}"
    return f"{job.model.name}: {reason}"
