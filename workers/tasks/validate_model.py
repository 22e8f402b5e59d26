"""Check a registered model, and make version 1 of it."""

from typing import Any

import structlog

from service.core.messages import ValidateModel
from service.core.policy import Policy
from service.core.reasons import JobReason
from workers import context, supervision
from workers.app import app
from workers.keeper import Keeper, ShutdownError
from workers.lifecycle import models
from workers.lifecycle.leases import LeaseLostError
from workers.lifecycle.models import ClaimedModel
from workers.plan import Outcome, Refused, Validated, ValidatePlan
from workers.progress import RunProgress
from workers.supervision import RunFailedError
from workers.tasks.planning import architecture_of, data_plan_of
from workers.tasks.recording import cause_of, record, take
from workers.workspace import Workspace, workspace

log = structlog.get_logger(__name__)


@app.task(name=ValidateModel.task)
def validate_model(body: dict[str, Any]) -> None:
    """Run one batch through a registered model; it becomes ready, or invalid with a reason."""
    model_id = ValidateModel.model_validate(body).model_id
    settings = context.settings()
    claimed = take(
        lambda session: models.claim(session, model_id, context.owner(), settings.lease_seconds)
    )
    if claimed is None:
        return
    try:
        attempt(claimed)
    except LeaseLostError as error:
        log.warning("the model is not ours any more", model_id=model_id, reason=str(error))


def attempt(claimed: ClaimedModel) -> None:
    """One attempt, whatever it comes to.

    Raises:
        LeaseLostError: the model went to somebody else meanwhile; nothing was recorded.
    """
    settings, database = context.settings(), context.database()

    def heartbeat(_progress: RunProgress) -> bool:
        with database.unit_of_work() as session:
            models.renew(session, claimed, settings.lease_seconds)
        return False

    with Keeper(heartbeat, settings.lease_seconds, claimed.held_since) as lease:
        if claimed.attempt > settings.max_attempts:
            reason = "Its validation was cut short too often: its workers ended. Register it again."
            refuse(claimed, JobReason.WORKER_LOST, reason, lease)
            return
        try:
            with workspace(settings, f"model-{claimed.id}.{claimed.fence}") as space:
                outcome = supervision.run(
                    plan_of(claimed, space), space.path, settings, lease, [space.lock]
                )
                conclude(claimed, space, outcome, lease)
        except (RunFailedError, OSError) as error:
            code, reason = cause_of(error)
            if isinstance(error, RunFailedError) and error.final:
                refuse(claimed, code, reason, lease)
                return
            log.warning("validation failed", model=claimed.model.name, reason=reason, code=code)
            most = settings.max_attempts
            record(lease, lambda session: models.put_back(session, claimed, code, reason, most))
        except ShutdownError:
            record(lease, lambda session: models.give_back(session, claimed))


def plan_of(claimed: ClaimedModel, space: Workspace) -> ValidatePlan:
    model = claimed.model
    policy = Policy.model_validate(model.policy)
    return ValidatePlan(
        model=model.name,
        source_uri=model.source_uri,
        base_uri=model.base_uri,
        architecture=architecture_of(model),
        module=model.representation["module"],
        method=model.method,
        parameters=model.method_parameters,
        min_agreement=policy.min_agreement,
        keep_card=policy.keep_card,
        tv=model.registered_tv,
        data=data_plan_of(claimed.dataset),
        staging=space.staging,
    )


def conclude(claimed: ClaimedModel, space: Workspace, outcome: Outcome, lease: Keeper) -> None:
    """Make version 1 of what was imported, or record why there is none.

    Raises:
        OSError: the storage is full or away.
        LeaseLostError: the model went to somebody else meanwhile.
    """
    if isinstance(outcome, Refused):
        refuse(claimed, outcome.code, outcome.reason, lease)
        return
    if not isinstance(outcome, Validated):
        raise TypeError(f"A validation came back as {outcome.kind}.")
    context.store().publish(space.staging, claimed.model.name, outcome.written.digest)
    record(lease, lambda session: models.accept(session, claimed, outcome.written))
    log.info("model ready", model=claimed.model.name, digest=outcome.written.digest)


def refuse(claimed: ClaimedModel, code: JobReason, reason: str, lease: Keeper) -> None:
    """Raises `LeaseLostError`: another worker has the model by now."""
    log.warning("model refused", model=claimed.model.name, reason=reason, code=code)
    record(lease, lambda session: models.refuse(session, claimed, code, reason))
