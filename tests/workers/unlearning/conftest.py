from collections.abc import Iterator

import pytest
import torch

from tests.workers.unlearning.memorised import Digits, memorised


@pytest.fixture(autouse=True)
def few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Digits:
    torch.set_num_threads(1)
    return memorised()
