"""Deletion requests on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from service.api.schemas import Body, Name, Resource, ShortText, Time
from service.core.tables import Disposition, JobPhase, JobReason, JobState, Regulation, RequestState

MAX_SAMPLES = 10_000

ClientReference = Annotated[
    ShortText | None,
    Field(description="Yours, to find the request by. Not for names or addresses."),
]
ByRegulation = Annotated[Regulation, Field(description="Which law's deadline `due_at` follows.")]
ReceivedAt = Annotated[
    Time | None,
    Field(
        ge=datetime(1970, 1, 1, tzinfo=UTC),
        le=datetime(9000, 1, 1, tzinfo=UTC),
        description="When the person asked; the deadline runs from here. Default: now.",
    ),
]


class DeletionRequestCreate(Body):
    dataset: Name
    sample_ids: Annotated[list[ShortText], Field(min_length=1, max_length=MAX_SAMPLES)]
    client_reference: ClientReference = None
    regulation: ByRegulation = Regulation.GDPR
    received_at: ReceivedAt = None
    callback_url: None = Field(
        default=None, description="Not served yet: poll, with `If-None-Match`."
    )


class UploadCreate(Body):
    """The query of an upload: all of a request but its sample IDs."""

    dataset: Name
    client_reference: ClientReference = None
    regulation: ByRegulation = Regulation.GDPR
    received_at: ReceivedAt = None


class Upload(BaseModel):
    """What makes one upload the same as another."""

    order: UploadCreate
    lines: int
    sha256: str


class Counts(BaseModel):
    """How many IDs have each disposition, and how many were given."""

    total: int
    staged: int = 0
    unlearned: int = 0
    not_found: int = 0
    already_deleted: int = 0
    duplicate: int = 0
    cancelled: int = 0


class JobSummary(Resource):
    id: UUID
    model: str
    state: JobState
    phase: JobPhase | None
    progress: float
    attempt: int
    reason: str | None
    reason_code: JobReason | None
    version: int | None = Field(description="The version that the job made, if it made one.")
    href: str


class VersionSummary(Resource):
    """The version of one model that answers the request."""

    model: str
    version: int
    digest: str
    tv: int
    href: str


class Links(BaseModel):
    self: str
    samples: str
    events: str
    dataset: str


class DeletionRequestRead(Resource):
    id: UUID
    dataset: str
    state: RequestState
    status: RequestState = Field(
        deprecated=True, description="The former name of `state`, for one release."
    )
    detail: str | None
    tv: int = Field(description="Complete once every model has been unlearned up to this clock.")
    counts: Counts
    progress: float = Field(description="0 to 1, over all models of the dataset.")
    regulation: Regulation
    client_reference: str | None
    received_at: AwareDatetime
    accepted_at: AwareDatetime
    due_at: AwareDatetime | None
    days_left: int | None
    overdue: bool
    completed_at: AwareDatetime | None
    jobs: list[JobSummary]
    versions: list[VersionSummary]
    links: Links


class SampleRead(BaseModel):
    position: int = Field(description="Its place in `sample_ids`, from 0.")
    sample_id: str
    disposition: Disposition


class EventRead(Resource):
    id: int
    at: AwareDatetime
    kind: str
    actor: str = Field(
        description="Who acted: `key:NAME` for the caller with the key of that name, "
        "`worker:HOST`, `dispatcher`, `cli`, or `system` for what was recorded before there were "
        "actors."
    )
    job_id: UUID | None
    data: dict[str, Any]
