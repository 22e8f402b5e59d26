"""Index a registered dataset: read its IDs, and store one row a sample."""

from typing import Any

import structlog

from service.core.messages import IndexDataset
from service.core.tables.dataset import SAMPLE_ID_LENGTH
from workers import context
from workers.app import app
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.locations import trouble
from workers.data.specs import spec_of
from workers.keeper import Keeper, ShutdownError
from workers.lifecycle import datasets
from workers.lifecycle.datasets import ClaimedDataset
from workers.lifecycle.leases import LeaseLostError
from workers.progress import RunProgress
from workers.tasks.recording import record, take

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
        try:
            if claimed.attempt > settings.max_attempts:
                raise DatasetError("Its indexing was cut short too often.")
            index(claimed, lease)
        except DatasetError as error:
            log.warning("dataset refused", dataset=claimed.dataset.name, reason=str(error))
            reason = str(error)
            record(lease, lambda session: datasets.refuse(session, claimed, reason))
        except OSError as error:
            reason = trouble(error)
            log.warning("indexing failed", dataset=claimed.dataset.name, reason=reason)
            record(
                lease,
                lambda session: datasets.put_back(session, claimed, reason, settings.max_attempts),
            )
        except ShutdownError:
            record(lease, lambda session: datasets.give_back(session, claimed))


def index(claimed: ClaimedDataset, lease: Keeper) -> None:
    """Read and store, in one transaction that ends behind the fence.

    Raises:
        DatasetError: the files are not what was registered.
        OSError: the storage failed; it may answer another time.
        LeaseLostError: another worker has the dataset by now.
        ShutdownError: the worker was told to stop.
    """
    dataset = claimed.dataset
    specs = [spec_of(given) for given in dataset.inputs]
    files: list[dict[str, Any]] = []
    holdout = read_holdout(dataset.holdout_uri, specs) if dataset.holdout_uri else None
    chunks = read_ids(
        dataset.uri, dataset.id_column, specs, SAMPLE_ID_LENGTH, files.append, holdout or ()
    )
    with context.bulk_database().unit_of_work() as session:
        rows = datasets.store_index(session, claimed, chunks, lambda _rows: lease.check())
        lease.check_lease()
        datasets.accept(session, claimed, rows, files, holdout)
    log.info("dataset ready", dataset=dataset.name, rows=rows)
