"""The validation of a registered model, from the worker's side."""

import time
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.core import completion
from service.core.db import clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.reasons import JobReason
from service.core.tables import Dataset, Model, ModelState
from workers.lifecycle import leases
from workers.lifecycle.publishing import first_version
from workers.plan import Written


@dataclass(frozen=True)
class ClaimedModel:
    """`held_since` is a moment before the lease began, by this process's monotonic clock."""

    id: int
    fence: int
    attempt: int
    held_since: float
    model: Model
    dataset: Dataset


def claim(session: Session, model_id: int, owner: str, seconds: float) -> ClaimedModel | None:
    held_since = time.monotonic()
    waits = Model.state == ModelState.VALIDATING
    model = leases.claim_idle(session, Model, Model.id == model_id, waits, owner, seconds)
    if model is None:
        return None
    session.refresh(model)
    return ClaimedModel(model.id, model.fence, model.attempt, held_since, model, model.dataset)


def renew(session: Session, claimed: ClaimedModel, seconds: float) -> None:
    leases.renew(session, Model, Model.id == claimed.id, claimed.fence, seconds)


def accept(session: Session, claimed: ClaimedModel, written: Written) -> None:
    """Make version 1 and the alias. A model that is behind its dataset's clock is due at once."""
    model = leases.lock_owned(session, Model, Model.id, claimed.id, claimed.fence)
    version = first_version(session, model, written)
    model.move_to(ModelState.READY)
    leases.release(model)
    ready = kinds.ModelReady(
        dataset_id=model.dataset_id,
        model_id=model.id,
        version=version.number,
        digest=version.digest,
        tv=version.tv,
    )
    record(session, ready)
    completion.settle(session, model.dataset_id)


def refuse(session: Session, claimed: ClaimedModel, code: JobReason, reason: str) -> None:
    """The model cannot be used. Requests wait for it no longer."""
    model = leases.lock_owned(session, Model, Model.id, claimed.id, claimed.fence)
    model.move_to(ModelState.INVALID)
    model.reason_code, model.reason = code, reason
    leases.release(model)
    invalid = kinds.ModelInvalid(
        dataset_id=model.dataset_id, model_id=model.id, reason=reason, reason_code=code
    )
    record(session, invalid)
    completion.settle(session, model.dataset_id)


def put_back(
    session: Session, claimed: ClaimedModel, code: JobReason, reason: str, max_attempts: int
) -> None:
    if claimed.attempt >= max_attempts:
        refuse(session, claimed, code, f"{reason} It was tried {claimed.attempt} times.")
        return
    model = leases.lock_owned(session, Model, Model.id, claimed.id, claimed.fence)
    leases.release(model)
    # What was at fault is given the time that a lost message is given.
    model.rung_at = clock_now
    requeued = kinds.ModelRequeued(
        dataset_id=model.dataset_id,
        model_id=model.id,
        attempt=model.attempt,
        reason=reason,
        reason_code=code,
    )
    record(session, requeued)


def give_back(session: Session, claimed: ClaimedModel) -> None:
    """The worker is shutting down: the validation waits for another one, and was no attempt."""
    leases.give_back(leases.lock_owned(session, Model, Model.id, claimed.id, claimed.fence))
