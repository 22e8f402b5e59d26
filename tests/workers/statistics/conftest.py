from collections.abc import Iterator

import pytest
import torch

from tests import numerics


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(numerics.THREADS)
    yield
    torch.set_num_threads(before)
