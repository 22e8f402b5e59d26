"""A dataset that went to another worker while this one looked at it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Dataset
from workers.data import index as reading
from workers.data.errors import DatasetError

Task = Callable[[dict[str, Any]], None]


@pytest.mark.usefixtures("reads_here")
def test_a_refusal_that_comes_after_the_lease_changes_nothing_and_is_no_error(
    session: Session,
    database: Database,
    registered: Dataset,
    index_dataset: Task,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose_it_and_refuse(*_: Any) -> None:
        with database.unit_of_work() as other:
            other.execute(text("UPDATE datasets SET fence = fence + 1"))
        raise DatasetError("Row 1 has no ID.")

    monkeypatch.setattr(reading, "refuse_bad_ids", lose_it_and_refuse)

    index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.reason, registered.fence) == ("indexing", None, 2)
