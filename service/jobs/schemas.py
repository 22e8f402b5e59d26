"""Jobs on the wire."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from service.api.schemas import Resource
from service.core.policy import TargetLevel
from service.core.tables import JobPhase, JobReason, JobState


class JobRead(Resource):
    id: UUID
    model: str
    state: JobState
    phase: JobPhase | None
    progress: float = Field(description="0 to 1 over all phases.")
    eta_seconds: float | None = Field(description="A straight line through the progress so far.")
    attempt: int
    reason: str | None
    reason_code: JobReason | None = Field(
        description="Why it ended without a published version, for programs."
    )
    parent_version: int
    parent_tv: int
    tv: int = Field(description="It forgets what was stamped with parent_tv < tv <= this.")
    version: int | None = Field(description="The version that it made.")
    target_level: TargetLevel | None = Field(
        description="The level that the policy asked for when a worker last took the job. Null: "
        "none has taken it yet, or it is older than target levels."
    )
    level: str | None = Field(
        description="The level that its version has reached: `none`, `utility`, `membership` or "
        "`robust`."
    )
    metrics: list[dict[str, Any]] = Field(description="Figures by step, thinned.")
    cancel_requested_at: AwareDatetime | None = Field(description="When somebody asked it to stop.")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    heartbeat_at: AwareDatetime | None
    finished_at: AwareDatetime | None
