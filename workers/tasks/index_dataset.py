"""Index a registered dataset: read its IDs, and store one row a sample."""

import time
from typing import Any

import structlog

from service.core.messages import IndexDataset
from service.core.tables.dataset import SAMPLE_ID_LENGTH
from workers import context, keeper
from workers.app import app
from workers.data.arrays import ArraySpec
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.keeper import ShutdownError
from workers.lifecycle import datasets
from workers.lifecycle.datasets import ClaimedDataset
from workers.lifecycle.leases import LeaseLostError

log = structlog.get_logger(__name__)


@app.task(name=IndexDataset.task)
def index_dataset(body: dict[str, Any]) -> None:
    """Index a dataset; it becomes ready, or invalid with a reason."""
    dataset_id = IndexDataset.model_validate(body).dataset_id
    settings, database = context.settings(), context.database()
    with database.unit_of_work() as session:
        claimed = datasets.claim(session, dataset_id, context.owner(), settings.lease_seconds)
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
    try:
        if claimed.attempt > settings.max_attempts:
            raise DatasetError("Its indexing was cut short too often.")
        index(claimed)
    except DatasetError as error:
        log.warning("dataset refused", dataset=claimed.dataset.name, reason=str(error))
        with database.unit_of_work() as session:
            datasets.refuse(session, claimed, str(error))
    except ShutdownError:
        with database.unit_of_work() as session:
            datasets.give_back(session, claimed)


def index(claimed: ClaimedDataset) -> None:
    """Read and store, in one transaction that ends behind the fence.

    Raises:
        DatasetError: the files are not what was registered.
        LeaseLostError: another worker has the dataset by now.
    """
    dataset, database = claimed.dataset, context.database()
    specs = [
        ArraySpec(given["column"], tuple(given["shape"]), given["scale"])
        for given in dataset.inputs
    ]
    files: list[dict[str, Any]] = []
    holdout = read_holdout(dataset.holdout_uri, specs) if dataset.holdout_uri else None
    chunks = read_ids(dataset.uri, dataset.id_column, specs, SAMPLE_ID_LENGTH, files.append)
    with database.unit_of_work() as session:
        rows = datasets.store_index(session, claimed, chunks, Lease(claimed).keep)
        datasets.accept(session, claimed, rows, files, holdout)
    log.info("dataset ready", dataset=dataset.name, rows=rows)


class Lease:
    """Renews a dataset's lease as its rows go by, on a connection of its own."""

    def __init__(self, claimed: ClaimedDataset) -> None:
        self._claimed = claimed
        self._renewed = time.monotonic()

    def keep(self, _rows: int) -> None:
        if keeper.stopping.is_set():
            raise ShutdownError("The worker was told to stop.")
        seconds = context.settings().lease_seconds
        if time.monotonic() - self._renewed < seconds / 4:
            return
        with context.database().unit_of_work() as session:
            datasets.renew(session, self._claimed, seconds)
        self._renewed = time.monotonic()
