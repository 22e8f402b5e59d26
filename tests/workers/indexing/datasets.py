"""A small valid dataset, and what becomes of one that was registered."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from structlog.testing import capture_logs

from workers.data.specs import ArraySpec, ImageSpec, InputSpec, TextSpec
from workers.indexing.process import fulfil
from workers.plan import Indexed, IndexPlan, Refused
from workers.supervision import read_outcome

INPUTS: list[InputSpec] = [ArraySpec("pixels", (2,)), TextSpec("said"), ImageSpec("seen")]
LIMIT_MIB = 512


def table(rows: int = 300, **columns: Any) -> pa.Table:
    numbers = range(rows)
    held = {
        "sample_id": [f"s-{n}" for n in numbers],
        "pixels": pa.array([[n % 7, 2] for n in numbers], pa.list_(pa.uint8())),
        "said": [f"word {n % 5}" for n in numbers],
        "seen": [{"bytes": b"image %d" % n, "path": None} for n in numbers],
    }
    return pa.table(held | columns)


def write(path: Path, held: pa.Table | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table() if held is None else held, path, **options)
    return path


def plan_of(train: str, holdout: str | None = None, **changes: Any) -> IndexPlan:
    plan = IndexPlan(
        uri=train,
        holdout_uri=holdout,
        id_column="sample_id",
        id_length=255,
        inputs=INPUTS,
        memory_limit_mib=LIMIT_MIB,
    )
    return plan.model_copy(update=changes)


def index_here(plan: IndexPlan, work: Path) -> Indexed | Refused:
    """Do it in this process."""
    work.mkdir(exist_ok=True)
    # A traceback in colour takes longer than all the rest.
    with capture_logs():
        fulfil(work, plan, lambda _line: None)
    outcome = read_outcome(0, work, out_of_memory=False, step="read it")
    assert isinstance(outcome, (Indexed, Refused))
    return outcome


def refusal(plan: IndexPlan, work: Path) -> str:
    outcome = index_here(plan, work)
    assert isinstance(outcome, Refused)
    assert outcome.code == "refused"
    return outcome.reason
