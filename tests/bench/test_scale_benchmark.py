"""The rows of the scale benchmark are as many as are asked for, and no two alike."""

from pathlib import Path

import numpy as np
import pytest

from bench.scale import data
from bench.scale.__main__ import count_of
from workers.data.processing import raw_processing
from workers.runner.loading import load_sets


def test_rows_differ_and_come_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "ROWS_AT_ONCE", 400)
    plan = data.prepare(tmp_path, 1000)
    nothing = np.empty(0, dtype=np.int64)
    (tmp_path / "work").mkdir()

    load_sets(plan, nothing, nothing, tmp_path / "work", raw_processing())

    images = np.load(tmp_path / "work" / "inputs-0.npy")
    assert images.shape == (1000, 1, 8, 8)
    assert images.max() == 16
    assert len(np.unique(images, axis=0)) == 1000


def test_shares_and_numbers_are_told_apart() -> None:
    assert count_of("10", 1000) == 10
    assert count_of("10%", 1000) == 100
