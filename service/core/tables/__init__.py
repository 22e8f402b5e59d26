"""The database's tables, one file a noun, each life cycle beside its table."""

from service.core.reasons import JobReason
from service.core.tables.access import APIKey, IdempotencyKey
from service.core.tables.base import Base, Leased
from service.core.tables.dataset import Dataset, DatasetState, Sample
from service.core.tables.deletion_request import (
    DeletionRequest,
    DeletionRequestSample,
    Disposition,
    Regulation,
    RequestState,
    Tombstone,
)
from service.core.tables.event import Event
from service.core.tables.job import LIVE, Job, JobPhase, JobState
from service.core.tables.model import Alias, Model, ModelState, ModelVersion, VersionState

__all__ = [
    "LIVE",
    "APIKey",
    "Alias",
    "Base",
    "Dataset",
    "DatasetState",
    "DeletionRequest",
    "DeletionRequestSample",
    "Disposition",
    "Event",
    "IdempotencyKey",
    "Job",
    "JobPhase",
    "JobReason",
    "JobState",
    "Leased",
    "Model",
    "ModelState",
    "ModelVersion",
    "Regulation",
    "RequestState",
    "Sample",
    "Tombstone",
    "VersionState",
]
