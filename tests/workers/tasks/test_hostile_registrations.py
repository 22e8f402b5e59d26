"""Registrations that are damaged or hang, through the processes that read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState
from tests import factories
from tests.service.racing import in_background
from tests.workers.indexing.silence import Silent

Task = Callable[[dict[str, Any]], None]


def test_a_damaged_dataset_is_invalid_at_the_first_attempt(
    session: Session, registered: Dataset, index_dataset: Task
) -> None:
    (file,) = Path(urlsplit(registered.uri).path).iterdir()
    data = file.read_bytes()
    file.write_bytes(data[:4] + bytes(len(data) - 8) + data[-4:])

    index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.attempt) == ("invalid", 1)
    assert registered.reason_code == "refused"
    assert file.as_uri() in (registered.reason or "")


@pytest.fixture
def hanging(session: Session, worker: Settings, silent: Silent) -> Dataset:
    """A dataset on a server that never answers."""
    made = Dataset(
        name="hanging",
        uri=f"{silent.prefix}/train",
        id_column="sample_id",
        inputs=[factories.PIXELS],
        state=DatasetState.INDEXING,
    )
    session.add(made)
    session.commit()
    worker.lease_seconds = 30
    worker.registration_time_limit_seconds = 8
    return made


def test_a_dataset_that_hangs_holds_up_no_other_and_is_refused_for_good(
    session: Session, registered: Dataset, hanging: Dataset, silent: Silent, index_dataset: Task
) -> None:
    """The worker does two at a time; here each has a thread of the test."""
    with in_background(lambda: index_dataset({"dataset_id": hanging.id})) as task:
        assert silent.called.wait(60)
        index_dataset({"dataset_id": registered.id})
        session.refresh(registered)
        assert registered.state == "ready"
        assert not task.done()
        task.result(60)

    session.refresh(hanging)
    assert (hanging.state, hanging.attempt, hanging.reason_code) == ("invalid", 1, "timed_out")
    assert "UNLEARND_REGISTRATION_TIME_LIMIT_SECONDS" in (hanging.reason or "")


def test_a_value_that_takes_more_memory_than_there_may_be_is_refused_for_good(
    session: Session, worker: Settings, registered: Dataset, index_dataset: Task
) -> None:
    """No indexing fits into so little."""
    worker.registration_memory_limit_mib = 40

    index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.attempt) == ("invalid", 1)
    assert registered.reason_code == "out_of_memory"
