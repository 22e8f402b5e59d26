from collections.abc import Iterator

import pytest
import torch

from tests import numerics
from tests.workers.memorised import Digits


@pytest.fixture(scope="module", autouse=True)
def few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(numerics.THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits(memorised_digits: Digits) -> Digits:
    return memorised_digits
