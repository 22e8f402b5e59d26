"""What the files of a dataset hold is kept with them, from the index to each job."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState
from tests.workers.tasks.conftest import Task
from workers.data.errors import DatasetError
from workers.data.processing import raw_processing
from workers.runner.loading import Sets, load_sets
from workers.tasks.planning import data_plan_of

pytestmark = pytest.mark.usefixtures("reads_here")
NOTHING = np.array([], np.int64)


def write(path: Path, kind: pa.DataType, rows: list[list[Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    ids = [f"{path.stem}-{row}" for row in range(len(rows))]
    pixels = pa.array(rows, pa.list_(kind))
    pq.write_table(pa.table({"sample_id": ids, "pixels": pixels}), path)


def register(session: Session, folder: Path) -> Dataset:
    made = Dataset(
        name="pets",
        uri=(folder / "train").as_uri(),
        holdout_uri=(folder / "holdout").as_uri(),
        id_column="sample_id",
        inputs=[{"column": "pixels", "kind": "array", "shape": [2], "scale": None}],
    )
    session.add(made)
    session.commit()
    return made


def load(dataset: Dataset, work: Path) -> Sets:
    work.mkdir()
    return load_sets(data_plan_of(dataset), NOTHING, NOTHING, work, raw_processing())


def test_a_job_trains_on_the_numbers_that_were_written(
    session: Session, worker: Settings, index_dataset: Task, tmp_path: Path
) -> None:
    assert worker.redis_url
    write(tmp_path / "train" / "a.parquet", pa.int8(), [[1, -2]])
    write(tmp_path / "train" / "b.parquet", pa.float32(), [[0.5, 1000.25]])
    write(tmp_path / "holdout" / "c.parquet", pa.float64(), [[0.25, 70000.0]])
    dataset = register(session, tmp_path)

    index_dataset({"dataset_id": dataset.id})

    session.refresh(dataset)
    assert (dataset.state, dataset.reason) == (DatasetState.READY, None)
    sets = load(dataset, tmp_path / "first")
    assert sets.holdout is not None
    for samples, numbers in (
        (sets.remaining, [[1, -2], [0.5, 1000.25]]),
        (sets.holdout, [[0.25, 70000.0]]),
    ):
        batch = samples.batch(torch.arange(len(samples)))
        assert isinstance(batch, torch.Tensor)
        assert torch.equal(batch, torch.tensor(numbers))

    write(tmp_path / "holdout" / "c.parquet", pa.int32(), [[0, 70000]])
    with pytest.raises(DatasetError, match="held float64 when it was indexed, and holds int32"):
        load(dataset, tmp_path / "second")


def test_files_that_do_not_go_together_make_a_dataset_invalid(
    session: Session, worker: Settings, index_dataset: Task, tmp_path: Path
) -> None:
    assert worker.redis_url
    write(tmp_path / "train" / "a.parquet", pa.int64(), [[1, 2]])
    write(tmp_path / "train" / "b.parquet", pa.int64(), [[3, 4]])
    write(tmp_path / "holdout" / "c.parquet", pa.float64(), [[0.5, 1000]])
    dataset = register(session, tmp_path)

    index_dataset({"dataset_id": dataset.id})

    session.refresh(dataset)
    assert dataset.state == DatasetState.INVALID
    assert dataset.reason is not None
    for word in ("int64", "train/a.parquet", "float64", "holdout/c.parquet", "Write all files"):
        assert word in dataset.reason
