"""A worker that is told to stop gives back what it has, and nothing is held against that."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from service.core.db import clock_now
from service.core.settings import Settings
from service.core.tables import Dataset
from tests import factories

Task = Callable[[dict[str, Any]], None]
RESTARTS = 4


@pytest.mark.usefixtures("told_to_stop")
def test_restarts_of_a_worker_do_not_make_a_healthy_dataset_invalid(
    session: Session, worker: Settings, registered: Dataset, index_dataset: Task
) -> None:
    assert worker.max_attempts < RESTARTS
    for _restart in range(RESTARTS):
        registered.rung_at = clock_now
        session.commit()
        index_dataset({"dataset_id": registered.id})

    session.refresh(registered)
    assert (registered.state, registered.reason, registered.attempt) == ("indexing", None, 0)
    assert (registered.fence, registered.lease_owner, registered.rung_at) == (RESTARTS, None, None)


@pytest.mark.usefixtures("told_to_stop")
def test_restarts_of_a_worker_neither_refuse_a_model_nor_settle_the_requests_that_wait_for_it(
    session: Session, worker: Settings, validate_model: Task
) -> None:
    dataset = factories.dataset(session)
    model = factories.model(session, dataset)
    factories.unpublish(session, model)
    request = factories.request(session, ["s-1"])
    assert worker.max_attempts < RESTARTS

    for _restart in range(RESTARTS):
        model.rung_at = clock_now
        session.commit()
        validate_model({"model_id": model.id})

    session.expire_all()
    assert (model.state, model.reason, model.attempt) == ("validating", None, 0)
    assert (model.fence, model.lease_owner, model.rung_at) == (RESTARTS, None, None)
    assert (request.state, request.detail) == ("staged", None)
