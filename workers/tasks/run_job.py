"""Run one unlearning job."""

import hashlib
from typing import Any

import structlog

from service.core.messages import RunJob
from service.core.tables import JobPhase, JobReason
from workers import context, janitor, supervision
from workers.app import app
from workers.data.locations import trouble_code
from workers.data.ragged import allocate
from workers.janitor import owner_of
from workers.keeper import Keeper, ShutdownError
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import Beat, ClaimedJob, ForgetSet
from workers.lifecycle.leases import CancelledError, LeaseLostError
from workers.lifecycle.origins import origin_of
from workers.lifecycle.publishing import LineageError
from workers.plan import FORGOTTEN, Lineage, Outcome, Refused, Unlearned, UnlearnPlan
from workers.progress import SHARES, RunProgress
from workers.supervision import RunFailedError
from workers.tasks import recording
from workers.tasks.planning import architecture_of, data_plan_of
from workers.tasks.recording import record, take
from workers.workspace import Workspace, discard, take_over, workspace

log = structlog.get_logger(__name__)


@app.task(name=RunJob.task)
def run_job(body: dict[str, Any]) -> None:
    """Claim, unlearn, publish. Delivered twice, it still publishes once.

    No transaction stays open while the run computes. A worker that is killed half-way leaves the
    job running without heartbeats, and a dispatcher queues it again.
    """
    job_id = RunJob.model_validate(body).job_id
    settings = context.settings()
    claimed = take(
        lambda session: jobs.claim(session, job_id, context.owner(), settings.lease_seconds)
    )
    if claimed is None:
        return
    with structlog.contextvars.bound_contextvars(job_id=str(job_id), fence=claimed.fence):
        log.info("job started", model=claimed.model.name, tv=claimed.job.tv)
        try:
            attempt(claimed)
        except LeaseLostError as error:
            # It may be over by now: then nobody comes back for what this attempt kept.
            janitor.sweep(context.database(), settings)
            log.warning("the job is not ours any more", reason=str(error))


def attempt(claimed: ClaimedJob) -> None:
    """One attempt, whatever it comes to.

    Raises:
        LeaseLostError: the job went to somebody else meanwhile; nothing was recorded.
    """
    settings, database = context.settings(), context.database()
    owner = owner_of(claimed.id)

    def heartbeat(progress: RunProgress) -> bool:
        beat = Beat(progress.phase, progress.overall, list(progress.metrics))
        with database.unit_of_work() as session:
            return jobs.heartbeat(session, claimed, beat, settings.lease_seconds)

    # The reading of millions of rows counts as work, as does the ending of a run.
    with Keeper(heartbeat, settings.lease_seconds, claimed.held_since) as lease:
        try:
            with workspace(settings, f"{owner}.{claimed.fence}") as space:
                try:
                    plan = prepare(claimed, space, lease)
                    outcome = supervision.run(plan, space.path, settings, lease, [space.lock])
                    conclude(claimed, space, outcome, lease)
                except (RunFailedError, LeaseLostError, OSError, ShutdownError) as error:
                    # Kept before the job may be claimed again, by whoever is quick.
                    space.outlives = goes_on(error)
                    raise
        except (RunFailedError, LineageError, OSError) as error:
            code, reason = cause_of(error)
            log.warning("attempt failed", reason=reason, code=code)
            most = settings.max_attempts
            again = record(
                lease, lambda session: jobs.put_back(session, claimed, code, reason, most)
            )
            if not again:
                discard(settings, owner)
        except CancelledError:
            record(lease, lambda session: jobs.cancel(session, claimed))
        except ShutdownError:
            if not record(lease, lambda session: jobs.give_back(session, claimed)):
                discard(settings, owner)


def goes_on(error: Exception) -> bool:
    """Whether the next attempt may go on from what this one has: not where that fills a disk."""
    if isinstance(error, OSError):
        return trouble_code(error) != JobReason.DISK_FULL
    return not isinstance(error, RunFailedError) or error.code != JobReason.DISK_FULL


def cause_of(error: RunFailedError | LineageError | OSError) -> tuple[JobReason, str]:
    if isinstance(error, LineageError):
        return JobReason.OVERTAKEN, str(error)
    return recording.cause_of(error)


def prepare(claimed: ClaimedJob, space: Workspace, lease: Keeper) -> UnlearnPlan:
    """Write the forget set to the scratch space, and say what is to be done with it.

    Raises:
        LeaseLostError, CancelledError, ShutdownError: see `Keeper.check`.
    """
    with context.bulk_database().unit_of_work() as session:
        forget_set = jobs.read_forget_set(session, claimed, lease.check)
    plan = plan_of(claimed, forget_set, space)
    for name, rows in {FORGOTTEN: forget_set.forgotten, plan.excluded: forget_set.excluded}.items():
        # What a full disk is to `np.save` has no number, and could not be told from other trouble.
        allocate(space.path / name, rows.dtype, rows.shape)[:] = rows
        lease.check()
    if take_over(context.settings(), space, digest_of(plan, forget_set)):
        log.info("job goes on from what an earlier attempt kept")
    return plan


def digest_of(plan: UnlearnPlan, forget_set: ForgetSet) -> str:
    """Of all that a run is told but where to write. Another attempt at the same plan may go on."""
    digest = hashlib.sha256(plan.model_dump_json(exclude={"staging"}).encode())
    for rows in (forget_set.forgotten, forget_set.excluded):
        digest.update(hashlib.sha256(rows.tobytes()).digest())
    return digest.hexdigest()


def plan_of(claimed: ClaimedJob, forget_set: ForgetSet, space: Workspace) -> UnlearnPlan:
    job, model, parent = claimed.job, claimed.model, claimed.parent
    return UnlearnPlan(
        lineage=Lineage(
            model=model.name,
            job_id=str(job.id),
            parent_version=parent.number,
            parent_digest=parent.digest,
            parent_tv=job.parent_tv,
            tv=job.tv,
            excluded_tv=forget_set.excluded_tv,
            forgotten=len(forget_set.forgotten),
            commitment=forget_set.commitment,
        ),
        parent=context.store().directory(model.name, parent.digest),
        origin=origin_of(context.store(), model.name, parent.digest),
        architecture=architecture_of(model),
        module=model.representation["module"],
        method=model.method,
        parameters=model.method_parameters,
        min_agreement=claimed.policy.min_agreement,
        target_level=claimed.policy.target_level,
        seed=job.seed,
        device=context.settings().device,
        data=data_plan_of(claimed.dataset),
        staging=space.staging,
    )


def conclude(claimed: ClaimedJob, space: Workspace, outcome: Outcome, lease: Keeper) -> None:
    """Publish what was made, or record why nothing was.

    Raises:
        OSError: the storage is full or away.
        LineageError: somebody published in between; another attempt begins from that version.
        LeaseLostError: the job went to somebody else meanwhile.
        CancelledError: somebody asked the job to stop; it has published nothing.
    """
    settings = context.settings()
    if isinstance(outcome, Refused):
        code, reason = outcome.code, outcome.reason
        log.warning("job refused", reason=reason, code=code)
        record(lease, lambda session: jobs.fail(session, claimed, code, reason))
        return
    if not isinstance(outcome, Unlearned):
        raise TypeError(f"An unlearning run came back as {outcome.kind}.")
    beat = Beat(JobPhase.PUBLISHING, 1 - SHARES[JobPhase.PUBLISHING], None)
    if record(lease, lambda db: jobs.heartbeat(db, claimed, beat, settings.lease_seconds)):
        raise CancelledError("Somebody asked for it to stop.")
    # The files come first: a row without files would be a lie, files without a row are litter.
    context.store().publish(space.staging, claimed.model.name, outcome.written.digest)
    version = record(lease, lambda session: publishing.publish(session, claimed, outcome))
    log.info("job ended", version=version.number, state=version.state, digest=version.digest)
