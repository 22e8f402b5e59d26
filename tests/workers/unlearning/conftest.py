from collections.abc import Iterator

import pytest

from tests import numerics
from tests.workers.memorised import Digits


@pytest.fixture(scope="module", autouse=True)
def few_threads() -> Iterator[None]:
    with numerics.threads():
        yield


@pytest.fixture(scope="module")
def digits(memorised_digits: Digits) -> Digits:
    return memorised_digits
