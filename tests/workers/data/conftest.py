from pathlib import Path

import pytest

from service.core.sources import Sources, of_path
from tests.workers.data.ground import table
from workers.data.places import opening


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is named, with a dataset and a model, beside one that is not."""
    named = tmp_path / "data"
    (named / "train").mkdir(parents=True)
    table(named / "train" / "a.parquet")
    (named / "model").mkdir()
    (named / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "outside").mkdir()
    table(tmp_path / "outside" / "secret.parquet")
    (tmp_path / "outside" / "config.json").write_text("{}")
    allowed = Sources((of_path(named),), own=(of_path(named / "own"),))
    monkeypatch.setattr(opening, "allowed", lambda: allowed)
    return named
