"""A dataset that is a table is indexed at a snapshot, which its row remembers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.formats import DatasetFormat
from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState, Sample
from tests.workers.data.tables.written import delta, iceberg, rows
from tests.workers.tasks.conftest import Task
from workers.data.processing import raw_processing
from workers.runner.loading import first_batch, load_sets
from workers.tasks.planning import data_plan_of

PIXELS = {"column": "pixels", "kind": "array", "shape": [2], "scale": None}


def register(session: Session, uri: str, **columns: Any) -> Dataset:
    made = Dataset(name="pets", uri=uri, id_column="sample_id", inputs=[PIXELS], **columns)
    session.add(made)
    session.commit()
    return made


pytestmark = pytest.mark.usefixtures("reads_here")


def delta_without_b(folder: Path) -> tuple[str, list[str]]:
    table = delta(folder, rows([*"abcd"]))
    table.delete("sample_id = 'b'")
    return folder.as_uri(), ["0", "1"]


def iceberg_without_b(folder: Path) -> tuple[str, list[str]]:
    table = iceberg(folder, rows([*"abcd"]))
    table.delete("sample_id = 'b'")
    return str(table.location()), [str(one.snapshot_id) for one in table.snapshots()]


TABLES = {DatasetFormat.DELTA: delta_without_b, DatasetFormat.ICEBERG: iceberg_without_b}


@pytest.mark.parametrize("format_", TABLES)
@pytest.mark.parametrize("first", [False, True], ids=["current", "first"])
def test_only_the_rows_of_the_snapshot_are_indexed_and_remain(
    session: Session,
    worker: Settings,
    index_dataset: Task,
    tmp_path: Path,
    format_: DatasetFormat,
    first: bool,
) -> None:
    assert worker.redis_url
    uri, snapshots = TABLES[format_](tmp_path / "pets")
    delta(tmp_path / "apart", rows(["x"]))
    dataset = register(
        session,
        uri,
        format=format_,
        snapshot=snapshots[0] if first else None,
        holdout_uri=(tmp_path / "apart").as_uri(),
        holdout_format=DatasetFormat.DELTA,
    )

    index_dataset({"dataset_id": dataset.id})

    session.refresh(dataset)
    assert (dataset.state, dataset.reason) == (DatasetState.READY, None)
    read = snapshots[0] if first else snapshots[-1]
    assert (dataset.snapshot, dataset.holdout_snapshot) == (read, "0")
    expected = {"a": 0, "c": 2, "d": 3} | ({"b": 1} if first else {})
    places = {one.sample_id: one.row_position for one in session.scalars(select(Sample))}
    assert places.keys() == expected.keys()
    forgotten = np.array([places["c"]])
    sets = load_sets(data_plan_of(dataset), forgotten, forgotten, tmp_path, raw_processing())
    remaining = sets.remaining.batch(torch.arange(len(expected) - 1))
    assert isinstance(remaining, torch.Tensor)
    assert set(remaining[:, 0].tolist()) == set(expected.values()) - {2}
    begun = first_batch(data_plan_of(dataset), raw_processing())
    assert isinstance(begun, torch.Tensor)
    assert set(begun[:, 0].tolist()) <= set(expected.values())


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
