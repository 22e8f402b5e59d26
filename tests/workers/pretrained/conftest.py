from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.pretrained.families import FAMILIES
from tests.workers.pretrained.parents import Parent, Registered, Runs, make_parent, runs_below


@pytest.fixture(scope="session", params=FAMILIES)
def parent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parent:
    """One trained network of each family. Nobody may change what it points at."""
    return make_parent(request.param, tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="session")
def registered(parent: Parent, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """The parent's first two versions. Nobody may change what they are made of."""
    folder = tmp_path_factory.mktemp("registered")
    with runs_below(folder) as runs:
        first = runs.validated(parent.validation(folder / "first"))
        return Registered(folder, first, runs.unlearned(parent, first, folder / "second"))


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with runs_below(tmp_path) as made:
        yield made
