import pytest
import torch

from tests.workers.memorised import Digits, memorised


@pytest.fixture(scope="session")
def memorised_digits() -> Digits:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    made = memorised()
    torch.set_num_threads(before)
    return made
