"""Indexing takes long in places where no row goes by."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import Dataset
from tests.service.racing import in_background, wait_for_blocked
from tests.waiting import wait_until
from workers.data.index import read_holdout
from workers.lifecycle import datasets

# The start of a process takes as long as these leases on a busy machine.
pytestmark = pytest.mark.usefixtures("reads_here")
Task = Callable[[dict[str, Any]], None]


@contextmanager
def blocked(database: Database, dataset: Dataset, index: Task) -> Iterator[Future[None]]:
    """Index while another worker's transaction, which has not ended yet, has the same partition."""
    with database.engine.connect() as other:
        other.execute(text(f"CREATE TABLE samples_{dataset.id} (LIKE samples)"))
        with in_background(lambda: index({"dataset_id": dataset.id})) as task:
            try:
                wait_for_blocked(database, task)
                yield task
            finally:
                other.rollback()
            task.result(20)


@pytest.fixture
def short_lease(worker: Settings) -> float:
    worker.lease_seconds = 1
    return worker.lease_seconds


def test_the_lease_outlasts_a_statement_that_takes_longer(
    session: Session,
    database: Database,
    registered: Dataset,
    index_dataset: Task,
    short_lease: float,
) -> None:
    with blocked(database, registered, index_dataset):
        until = time.monotonic() + 3 * short_lease
        while time.monotonic() < until:
            with database.unit_of_work() as other:
                assert datasets.claim(other, registered.id, "another", short_lease) is None
            time.sleep(0.1)

    session.refresh(registered)
    assert (registered.state, registered.rows, registered.fence) == ("ready", 100, 1)


def test_an_index_whose_lease_was_lost_meanwhile_reads_no_further(
    session: Session,
    database: Database,
    registered: Dataset,
    index_dataset: Task,
    short_lease: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted: list[Any] = []
    monkeypatch.setattr(datasets, "accept", lambda *given: accepted.append(given))
    with blocked(database, registered, index_dataset):
        with database.unit_of_work() as other:
            other.execute(text("UPDATE datasets SET fence = fence + 1"))
        time.sleep(short_lease)

    session.refresh(registered)
    assert (registered.state, registered.fence, accepted) == ("indexing", 2, [])


def test_the_lease_is_kept_while_the_held_out_files_are_looked_at(
    session: Session,
    database: Database,
    registered: Dataset,
    index_dataset: Task,
    short_lease: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered.holdout_uri = registered.uri
    session.commit()
    began = time.monotonic()

    def slowly(*given: Any) -> Any:
        with database.unit_of_work() as other:
            wait_until(lambda: time.monotonic() > began + 2 * short_lease)
            assert datasets.claim(other, registered.id, "another", short_lease) is None
        return read_holdout(*given)

    monkeypatch.setattr("workers.indexing.process.read_holdout", slowly)
    index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.holdout_rows, registered.fence) == ("ready", 100, 1)
