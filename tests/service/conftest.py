import pytest
from sqlalchemy.orm import Session

from service.core.tables import Dataset, Model
from tests import factories


@pytest.fixture
def digits(session: Session) -> Dataset:
    """A ready dataset of 100 samples, `s-0` to `s-99`, with the clock at 0."""
    return factories.dataset(session)


@pytest.fixture
def cnn(session: Session, digits: Dataset) -> Model:
    """A ready model trained on `digits`, whose version 1 knows of no deletion."""
    return factories.model(session, digits)
