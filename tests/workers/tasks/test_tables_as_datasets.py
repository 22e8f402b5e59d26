"""A dataset that is a table is indexed at a snapshot, which its row remembers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deltalake import write_deltalake
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.formats import DatasetFormat
from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState, Sample
from tests.workers.data.tables.written import delta, rows
from tests.workers.tasks.conftest import Task
from workers.data.processing import raw_processing
from workers.runner.loading import load_sets
from workers.tasks.planning import data_plan_of

PIXELS = {"column": "pixels", "kind": "array", "shape": [2], "scale": None}


def register(session: Session, uri: str, **columns: Any) -> Dataset:
    made = Dataset(name="pets", uri=uri, id_column="sample_id", inputs=[PIXELS], **columns)
    session.add(made)
    session.commit()
    return made


pytestmark = pytest.mark.usefixtures("reads_here")


@pytest.mark.parametrize("snapshot", [None, "0"])
def test_only_the_rows_of_the_snapshot_are_indexed_and_remain(
    session: Session,
    worker: Settings,
    index_dataset: Task,
    tmp_path: Path,
    snapshot: str | None,
) -> None:
    assert worker.redis_url
    table = delta(tmp_path / "pets", rows(["a", "b", "c", "d"]))
    table.delete("sample_id = 'b'")
    delta(tmp_path / "apart", rows(["x"]))
    dataset = register(
        session,
        (tmp_path / "pets").as_uri(),
        format=DatasetFormat.DELTA,
        snapshot=snapshot,
        holdout_uri=(tmp_path / "apart").as_uri(),
        holdout_format=DatasetFormat.DELTA,
    )

    index_dataset({"dataset_id": dataset.id})
    write_deltalake(tmp_path / "pets", rows(["e"]), mode="append")

    session.refresh(dataset)
    assert (dataset.state, dataset.reason) == (DatasetState.READY, None)
    assert (dataset.snapshot, dataset.holdout_snapshot) == (snapshot or "1", "0")
    expected = {"a": 0, "c": 2, "d": 3} if snapshot is None else {"a": 0, "b": 1, "c": 2, "d": 3}
    found = session.scalars(select(Sample))
    places = {sample.sample_id: sample.row_position for sample in found}
    assert places.keys() == expected.keys()
    excluded = np.array([places["c"]])
    sets = load_sets(data_plan_of(dataset), excluded, excluded, tmp_path, raw_processing())
    remaining = sets.remaining.batch(torch.arange(len(expected) - 1))
    assert isinstance(remaining, torch.Tensor)
    assert set(remaining[:, 0].tolist()) == set(expected.values()) - {2}


def test_plain_files_of_a_table_make_the_dataset_invalid(
    session: Session, worker: Settings, index_dataset: Task, tmp_path: Path
) -> None:
    assert worker.redis_url
    delta(tmp_path / "pets", rows(["a"]))
    dataset = register(session, f"{tmp_path.as_uri()}/pets/*.parquet")

    index_dataset({"dataset_id": dataset.id})

    session.refresh(dataset)
    assert dataset.state == DatasetState.INVALID
    assert dataset.reason
    assert 'register its folder with "format": "delta"' in dataset.reason
