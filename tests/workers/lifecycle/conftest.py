"""A model that is behind by one request, and its queued job."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Dataset, DeletionRequest, Job, Model
from tests import factories
from workers.lifecycle import jobs
from workers.lifecycle.jobs import ClaimedJob

Claim = Callable[[Job], ClaimedJob]


@pytest.fixture
def digits(session: Session) -> Dataset:
    return factories.dataset(session)


@pytest.fixture
def cnn(session: Session, digits: Dataset) -> Model:
    return factories.model(session, digits)


@pytest.fixture
def request_1(session: Session, cnn: Model) -> DeletionRequest:
    """For the samples `s-1` and `s-2`; its clock is 1."""
    assert cnn.name == "cnn"
    return factories.request(session, ["s-1", "s-2"])


@pytest.fixture
def job(session: Session, cnn: Model, request_1: DeletionRequest) -> Job:
    return factories.job(session, cnn, factories.head(session, cnn), tv=request_1.tv)


@pytest.fixture
def claim(database: Database) -> Claim:
    """Claim a job in a transaction of its own, whatever pause it is in."""

    def one(job: Job) -> ClaimedJob:
        with database.unit_of_work() as session:
            session.get_one(Job, job.id).run_after = None
            session.flush()
            claimed = jobs.claim(session, job.id, "worker", 60)
        assert claimed is not None
        return claimed

    return one
