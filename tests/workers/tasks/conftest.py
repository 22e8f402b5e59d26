"""Tasks that are called in this process, on the test's own database and storage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Dataset, DatasetState
from tests import factories
from workers import context, keeper, supervision
from workers.indexing.process import fulfil
from workers.plan import IndexPlan, Outcome


@pytest.fixture
def worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of this process as a worker."""
    monkeypatch.setattr(context, "settings", lambda: settings)
    shared = (context.database, context.bulk_database, context.store)
    yield settings
    for opened in (context.database(), context.bulk_database()):
        opened.dispose()
    for made in shared:
        made.cache_clear()


Task = Callable[[dict[str, Any]], None]


# The workers' application wants a broker's URL when it is imported, so the tasks are imported
# where there are settings.
@pytest.fixture
def index_dataset(worker: Settings) -> Task:
    assert worker.redis_url
    from workers.tasks import index_dataset as module

    return module.index_dataset


@pytest.fixture
def validate_model(worker: Settings) -> Task:
    assert worker.redis_url
    from workers.tasks import validate_model as module

    return module.validate_model


@pytest.fixture
def run_job(worker: Settings) -> Task:
    assert worker.redis_url
    from workers.tasks import run_job as module

    return module.run_job


@pytest.fixture
def reads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have datasets read in this process, where a test can get in between."""

    def run(plan: IndexPlan, work_dir: Path, *_: Any) -> Outcome:
        fulfil(work_dir, plan, lambda _line: None)
        return supervision.read_outcome(0, work_dir, out_of_memory=False, step="read it")

    monkeypatch.setattr(supervision, "run", run)


@pytest.fixture
def told_to_stop() -> Iterator[None]:
    keeper.stopping.set()
    yield
    keeper.stopping.clear()


@pytest.fixture
def files(tmp_path: Path) -> str:
    """The URL of 100 rows in one Parquet file."""
    table: Any = pa.table(
        {
            "sample_id": [f"s-{n}" for n in range(100)],
            "pixels": pa.array([[0] * 64] * 100, pa.list_(pa.uint8())),
        }
    )
    (tmp_path / "files").mkdir()
    pq.write_table(table, tmp_path / "files" / "a.parquet")
    return (tmp_path / "files").as_uri()


@pytest.fixture
def registered(session: Session, worker: Settings, files: str) -> Dataset:
    """A dataset that waits to be indexed by this worker."""
    assert worker.database_url
    made = Dataset(
        name="digits",
        uri=files,
        id_column="sample_id",
        inputs=[factories.PIXELS],
        state=DatasetState.INDEXING,
    )
    session.add(made)
    session.commit()
    return made
