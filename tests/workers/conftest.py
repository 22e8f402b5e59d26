import copy
import os
from collections.abc import Iterator

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from tests import numerics
from tests.workers.indexing.silence import Silent
from tests.workers.memorised import LEARNT, Digits
from workers.unlearning.registry import get_method


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what hangs on how a processor rounds, so that it can be run as on others."""
    for item in items:
        numeric = item.nodeid.rpartition("/")[0] in numerics.FOLDERS
        if numeric and item.get_closest_marker("exact") is None:
            item.add_marker(pytest.mark.numerics)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    """A server that never answers, and that an operator has named among the sources."""
    server = Silent()
    monkeypatch.setenv("UNLEARND_SOURCES", f"file:///,{server.prefix}")
    yield server
    server.end()


@pytest.fixture(scope="session")
def distilled_digits(
    memorised_digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> torch.nn.Module:
    """A student of the memorised digits by `distil` with `LEARNT`, one for all test processes."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    weights = folder / "distilled.safetensors"
    with numerics.threads(), FileLock(folder / "distilled.lock"):
        if not weights.exists():
            problem = memorised_digits.problem(parameters=LEARNT)
            made = get_method("distil").unlearn(problem, lambda _progress: None)
            save_file(made.model.state_dict(), weights)
    student = copy.deepcopy(memorised_digits.parent)
    student.load_state_dict(load_file(weights))
    return student
