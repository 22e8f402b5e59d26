import os

import pytest
import torch
from filelock import FileLock

from tests.workers.memorised import Digits, memorised


@pytest.fixture(scope="session")
def memorised_digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """Trained by the first of several test processes, for all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with FileLock(folder / "memorised.lock"):
        made = memorised(weights=folder / "memorised.safetensors")
    torch.set_num_threads(before)
    return made
