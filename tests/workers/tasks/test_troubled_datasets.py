"""A dataset whose storage is away is tried again, a few times."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, Event
from workers.data import index as reading
from workers.data.parquet import list_files

pytestmark = pytest.mark.usefixtures("reads_here")
Task = Callable[[dict[str, Any]], None]
REASON = "A file could not be read or written: Connection timed out."


@pytest.fixture
def times_away(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many more times the storage does not answer."""
    left = [0]

    def list_or_fail(uri: str) -> list[str]:
        if left[0]:
            left[0] -= 1
            raise TimeoutError(110, "Connection timed out")
        return list_files(uri)

    monkeypatch.setattr(reading, "list_files", list_or_fail)
    return left


def test_a_dataset_outlives_a_storage_that_is_away_for_a_while(
    session: Session, registered: Dataset, index_dataset: Task, times_away: list[int]
) -> None:
    times_away[0] = 1
    index_dataset({"dataset_id": registered.id})
    session.refresh(registered)
    assert (registered.state, registered.attempt, registered.lease_owner) == ("indexing", 1, None)
    # It is rung again after a while: at once would be too soon for a storage that is away.
    assert registered.rung_at is not None
    told = session.scalars(select(Event.data).where(Event.kind == "dataset.requeued")).one()
    assert told == {"attempt": 1, "reason": REASON, "reason_code": "storage"}

    index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.reason, registered.rows) == ("ready", None, 100)


def test_a_dataset_whose_storage_stays_away_is_given_up(
    session: Session,
    worker: Settings,
    registered: Dataset,
    index_dataset: Task,
    times_away: list[int],
) -> None:
    times_away[0] = worker.max_attempts

    for _attempt in range(worker.max_attempts):
        index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert registered.state == "invalid"
    assert registered.reason == f"{REASON} It was tried {worker.max_attempts} times."
    assert registered.reason_code == "storage"
