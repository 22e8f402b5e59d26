"""Jobs on the wire."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from service.api.schemas import Resource
from service.core.tables import JobPhase, JobState


class JobRead(Resource):
    id: UUID
    model: str
    state: JobState
    phase: JobPhase | None
    progress: float = Field(description="0 to 1 over all phases.")
    eta_seconds: float | None = Field(description="A straight line through the progress so far.")
    attempt: int
    reason: str | None
    parent_version: int
    parent_tv: int
    tv: int = Field(description="It forgets what was stamped with parent_tv < tv <= this.")
    version: int | None = Field(description="The version that it made.")
    metrics: list[dict[str, Any]] = Field(description="Figures by step, thinned.")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    heartbeat_at: AwareDatetime | None
    finished_at: AwareDatetime | None
