from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, Model
from tests import factories
from tests.service.serving import Served, serving


@pytest.fixture
def digits(session: Session) -> Dataset:
    """A ready dataset of 100 samples, `s-0` to `s-99`, with the clock at 0."""
    return factories.dataset(session)


@pytest.fixture
def cnn(session: Session, digits: Dataset) -> Model:
    """A ready model trained on `digits`, whose version 1 knows of no deletion."""
    return factories.model(session, digits)


@pytest.fixture
def served(settings: Settings, admin_key: str, tmp_path: Path) -> Iterator[Served]:
    """The API in a process of its own, behind uvicorn."""
    with serving(settings, admin_key, tmp_path / "api.log") as process:
        yield process
