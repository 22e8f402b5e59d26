"""Index a registered dataset: have its IDs read, and store one row a sample."""

from typing import Any

import structlog

from service.core.messages import IndexDataset
from service.core.reasons import JobReason
from service.core.settings import Settings
from service.core.tables import Dataset
from service.core.tables.dataset import SAMPLE_ID_LENGTH
from workers import context, supervision
from workers.app import app
from workers.data.errors import DatasetError
from workers.data.specs import spec_of
from workers.data.stored_ids import stored_ids
from workers.keeper import Keeper, ShutdownError
from workers.lifecycle import datasets
from workers.lifecycle.datasets import ClaimedDataset
from workers.lifecycle.leases import LeaseLostError
from workers.plan import IDS, Indexed, IndexPlan, Outcome, Refused
from workers.progress import RunProgress
from workers.supervision import RunFailedError
from workers.tasks.recording import cause_of, record, take
from workers.workspace import Workspace, workspace

log = structlog.get_logger(__name__)


@app.task(name=IndexDataset.task)
def index_dataset(body: dict[str, Any]) -> None:
    """Index a dataset; it becomes ready, or invalid with a reason."""
    dataset_id = IndexDataset.model_validate(body).dataset_id
    settings = context.settings()
    claimed = take(
        lambda session: datasets.claim(session, dataset_id, context.owner(), settings.lease_seconds)
    )
    if claimed is None:
        return
    try:
        attempt(claimed)
    except LeaseLostError as error:
        log.warning("the dataset is not ours any more", dataset_id=dataset_id, reason=str(error))


def attempt(claimed: ClaimedDataset) -> None:
    """One attempt, whatever it comes to.

    Raises:
        LeaseLostError: the dataset went to somebody else meanwhile; nothing was recorded.
    """
    settings, database = context.settings(), context.database()

    def heartbeat(_progress: RunProgress) -> bool:
        with database.unit_of_work() as session:
            datasets.renew(session, claimed, settings.lease_seconds)
        return False

    # The key is built, and another worker's rollback is waited for, without a row going by.
    with Keeper(heartbeat, settings.lease_seconds, claimed.held_since) as lease:
        if claimed.attempt > settings.max_attempts:
            reason = "Its indexing was cut short too often: its workers ended. Register it again."
            refuse(claimed, JobReason.WORKER_LOST, reason, lease)
            return
        try:
            with workspace(settings, f"dataset-{claimed.id}.{claimed.fence}") as space:
                plan = plan_of(claimed.dataset, settings)
                outcome = supervision.run(plan, space.path, settings, lease, [space.lock])
                conclude(claimed, space, outcome, lease)
        except (RunFailedError, OSError) as error:
            code, reason = cause_of(error)
            if isinstance(error, RunFailedError) and error.final:
                refuse(claimed, code, reason, lease)
                return
            log.warning("indexing failed", dataset=claimed.dataset.name, reason=reason, code=code)
            most = settings.max_attempts
            record(lease, lambda session: datasets.put_back(session, claimed, code, reason, most))
        except ShutdownError:
            record(lease, lambda session: datasets.give_back(session, claimed))


def plan_of(dataset: Dataset, settings: Settings) -> IndexPlan:
    return IndexPlan(
        uri=dataset.uri,
        format=dataset.format,
        snapshot=dataset.snapshot,
        holdout_uri=dataset.holdout_uri,
        holdout_format=dataset.holdout_format,
        holdout_snapshot=dataset.holdout_snapshot,
        id_column=dataset.id_column,
        id_length=SAMPLE_ID_LENGTH,
        inputs=[spec_of(given) for given in dataset.inputs],
        memory_limit_mib=settings.registration_memory_limit_mib,
    )


def conclude(claimed: ClaimedDataset, space: Workspace, outcome: Outcome, lease: Keeper) -> None:
    """Store what was read, in one transaction that ends behind the fence, or record why not.

    Raises:
        OSError: the scratch space failed.
        LeaseLostError: another worker has the dataset by now.
        ShutdownError: the worker was told to stop.
    """
    if isinstance(outcome, Refused):
        refuse(claimed, outcome.code, outcome.reason, lease)
        return
    if not isinstance(outcome, Indexed):
        raise TypeError(f"An indexing came back as {outcome.kind}.")
    files = [file.model_dump() for file in outcome.files]
    apart = outcome.holdout_files
    holdout = None if apart is None else [file.model_dump() for file in apart]
    snapshots = (outcome.snapshot, outcome.holdout_snapshot)
    chunks = stored_ids(space.path / IDS)
    try:
        with context.bulk_database().unit_of_work() as session:
            rows = datasets.store_index(session, claimed, chunks, lambda _rows: lease.check())
            lease.check_lease()
            datasets.accept(session, claimed, rows, files, holdout, snapshots)
    except DatasetError as error:
        refuse(claimed, JobReason.REFUSED, str(error), lease)
        return
    log.info("dataset ready", dataset=claimed.dataset.name, rows=rows)


def refuse(claimed: ClaimedDataset, code: JobReason, reason: str, lease: Keeper) -> None:
    """Raises `LeaseLostError`: another worker has the dataset by now."""
    log.warning("dataset refused", dataset=claimed.dataset.name, reason=reason, code=code)
    record(lease, lambda session: datasets.refuse(session, claimed, code, reason))
