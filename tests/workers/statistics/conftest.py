from collections.abc import Iterator

import pytest

from tests import numerics


@pytest.fixture(scope="module", autouse=True)
def few_threads() -> Iterator[None]:
    with numerics.threads():
        yield
