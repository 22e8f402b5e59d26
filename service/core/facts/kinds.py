"""The kinds of events, each with its fields: what history can say, and how it is spelt.

The fields in `REFERENCES` are columns of `events`; all others are its `data`, which holds counts,
states and versions, and never a sample ID.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypedDict
from uuid import UUID

from service.core.policy import TargetLevel
from service.core.reasons import JobReason
from service.core.tables import Job, RequestState

REFERENCES = ("dataset_id", "model_id", "request_id", "job_id")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened."""

    kind: ClassVar[str]

    def references(self) -> dict[str, Any]:
        """What it is about: a value or None for each of `REFERENCES`."""
        return {name: getattr(self, name, None) for name in REFERENCES}

    def data(self) -> dict[str, Any]:
        names = (field.name for field in fields(self))
        return {name: getattr(self, name) for name in names if name not in REFERENCES}


@dataclass(frozen=True, kw_only=True)
class RequestFact(Fact):
    dataset_id: int
    request_id: UUID


@dataclass(frozen=True, kw_only=True)
class RequestAccepted(RequestFact):
    kind = "request.accepted"
    total: int


@dataclass(frozen=True, kw_only=True)
class RequestCancelled(RequestFact):
    kind = "request.cancelled"


@dataclass(frozen=True, kw_only=True)
class RequestRetried(RequestFact):
    kind = "request.retried"


@dataclass(frozen=True, kw_only=True)
class RequestSettled(RequestFact):
    """What a request has come to, with its clock and the number of its dataset's models."""

    tv: int
    models: int


@dataclass(frozen=True, kw_only=True)
class RequestCompleted(RequestSettled):
    kind = "request.completed"


@dataclass(frozen=True, kw_only=True)
class RequestPartiallyCompleted(RequestSettled):
    kind = "request.partially_completed"


@dataclass(frozen=True, kw_only=True)
class RequestFailed(RequestSettled):
    kind = "request.failed"


OUTCOMES: dict[RequestState, type[RequestSettled]] = {
    RequestState.COMPLETED: RequestCompleted,
    RequestState.PARTIALLY_COMPLETED: RequestPartiallyCompleted,
    RequestState.FAILED: RequestFailed,
}


@dataclass(frozen=True, kw_only=True)
class DatasetFact(Fact):
    dataset_id: int


@dataclass(frozen=True, kw_only=True)
class DatasetRegistered(DatasetFact):
    kind = "dataset.registered"


@dataclass(frozen=True, kw_only=True)
class DatasetReady(DatasetFact):
    kind = "dataset.ready"
    rows: int


@dataclass(frozen=True, kw_only=True)
class DatasetInvalid(DatasetFact):
    kind = "dataset.invalid"
    reason: str
    reason_code: JobReason


@dataclass(frozen=True, kw_only=True)
class DatasetRequeued(DatasetFact):
    kind = "dataset.requeued"
    attempt: int
    reason: str
    reason_code: JobReason


@dataclass(frozen=True, kw_only=True)
class ModelFact(Fact):
    dataset_id: int
    model_id: int


@dataclass(frozen=True, kw_only=True)
class ModelRegistered(ModelFact):
    kind = "model.registered"


@dataclass(frozen=True, kw_only=True)
class ModelReady(ModelFact):
    kind = "model.ready"
    version: int
    digest: str
    tv: int


@dataclass(frozen=True, kw_only=True)
class ModelInvalid(ModelFact):
    kind = "model.invalid"
    reason: str
    reason_code: JobReason


@dataclass(frozen=True, kw_only=True)
class ModelRequeued(ModelFact):
    kind = "model.requeued"
    attempt: int
    reason: str
    reason_code: JobReason


@dataclass(frozen=True, kw_only=True)
class JobQueued(Fact):
    kind = "job.queued"
    model_id: int
    job_id: UUID
    tv: int


@dataclass(frozen=True, kw_only=True)
class JobFact(Fact):
    """An event of a job, with its attempt and the clock that it had; see `about`."""

    model_id: int
    job_id: UUID
    attempt: int
    tv: int


class AboutJob(TypedDict):
    model_id: int
    job_id: UUID
    attempt: int
    tv: int


def about(job: Job) -> AboutJob:
    """The job as it is now.

    A fact keeps the job's clock: the next claim may raise that, and must not add past events to a
    request that came in later. Its readers may be beyond them already.
    """
    return {"model_id": job.model_id, "job_id": job.id, "attempt": job.attempt, "tv": job.tv}


@dataclass(frozen=True, kw_only=True)
class JobStarted(JobFact):
    kind = "job.started"
    parent_version: int


@dataclass(frozen=True, kw_only=True)
class JobCancelRequested(JobFact):
    kind = "job.cancel_requested"


@dataclass(frozen=True, kw_only=True)
class JobGivenUp(JobFact):
    """An attempt has ended without a version."""

    reason: str
    reason_code: JobReason


@dataclass(frozen=True, kw_only=True)
class JobRequeued(JobGivenUp):
    kind = "job.requeued"


@dataclass(frozen=True, kw_only=True)
class JobFailed(JobGivenUp):
    kind = "job.failed"


@dataclass(frozen=True, kw_only=True)
class JobCancelled(JobGivenUp):
    kind = "job.cancelled"


@dataclass(frozen=True, kw_only=True)
class JobPublished(JobFact):
    kind = "job.published"
    version: int
    target_level: TargetLevel | None
    level: str


@dataclass(frozen=True, kw_only=True)
class JobNeedsReview(JobFact):
    kind = "job.needs_review"
    version: int
    target_level: TargetLevel | None
    level: str
    reason: str | None
    reason_code: JobReason | None


@dataclass(frozen=True, kw_only=True)
class VersionFact(Fact):
    model_id: int
    version: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class VersionPublished(VersionFact):
    kind = "version.published"
    job_id: UUID | None
    tv: int


@dataclass(frozen=True, kw_only=True)
class VersionRejected(VersionFact):
    kind = "version.rejected"
    job_id: UUID | None
    tv: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class VersionDestroyed(VersionFact):
    kind = "version.destroyed"
    reason: str


@dataclass(frozen=True, kw_only=True)
class AliasMoved(VersionFact):
    kind = "alias.moved"
    alias: str
    tv: int


@dataclass(frozen=True, kw_only=True)
class VersionAbandoned(Fact):
    """Files without a version were removed. `job` is the ID of the job that made them.

    It is not a reference, because a foreign key would wait for a session that claims the job and
    waits for this one.
    """

    kind = "version.abandoned"
    model_id: int
    job: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class KeyFact(Fact):
    """An event of an API key: `key_id` is what `unlearnd keys list` shows, never the secret."""

    name: str
    key_id: str


@dataclass(frozen=True, kw_only=True)
class KeyCreated(KeyFact):
    kind = "key.created"


@dataclass(frozen=True, kw_only=True)
class KeyRevoked(KeyFact):
    kind = "key.revoked"
