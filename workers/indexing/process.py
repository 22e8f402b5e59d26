"""What the process does that reads a dataset: read the plan, do it, leave an outcome."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from service.core.reasons import JobReason
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.locations import trouble, trouble_code
from workers.data.shown import Shown
from workers.data.stored_ids import store_ids
from workers.data.tables.snapshot import Snapshot
from workers.data.tables.taking import take_snapshot, version_of
from workers.plan import (
    IDS,
    PLAN,
    DataFile,
    Ending,
    Failed,
    Indexed,
    IndexPlan,
    ProgressLine,
    Refused,
)
from workers.runner.outcomes import traced, write_outcome
from workers.runner.steps import Steps

log = structlog.get_logger(__name__)


def read_plan(work_dir: Path) -> IndexPlan:
    return IndexPlan.model_validate_json((work_dir / PLAN).read_text(encoding="utf-8"))


def fulfil(work_dir: Path, plan: IndexPlan, tell: Callable[[ProgressLine], None]) -> None:
    """Do a plan, whatever it comes to: an outcome is left in any case."""
    steps = Steps(tell)
    train, holdout = Shown(plan.uri), Shown(plan.holdout_uri or "")
    ending: Ending
    try:
        ending = index(work_dir, plan, steps, train, holdout)
    except Exception as error:
        ending = ending_of(error, steps)
        told = train.within(ending.reason, holdout)
        ending = ending.model_copy(update={"reason": told})
        what = "indexing refused" if isinstance(ending, Refused) else "indexing failed"
        log.warning(what, reason=ending.reason, code=ending.code, exc_info=traced(error))
    write_outcome(work_dir, ending)


def index(
    work_dir: Path, plan: IndexPlan, steps: Steps, train: Shown, apart_names: Shown
) -> Indexed:
    """Read all files; the IDs go into `IDS` in the order of the rows.

    `train` and `apart_names` get the files that are read, for steps and reasons to name.

    Raises:
        DatasetError: the files are not what was registered.
        OSError: the storage failed; it may answer another time.
    """

    def begin(uri: str) -> None:
        steps.begin(f"read {train.add(uri)}")

    def begin_apart(uri: str) -> None:
        steps.begin(f"read {apart_names.add(uri)}")

    files: list[dict[str, Any]] = []
    holdout: list[dict[str, Any]] | None = None
    apart: Snapshot | None = None
    columns = [spec.column for spec in plan.inputs]
    if plan.holdout_uri is not None:
        steps.begin(f"read {plan.holdout_uri}")
        apart = take_snapshot(plan.holdout_format, plan.holdout_uri, plan.holdout_snapshot, columns)
        holdout = read_holdout(plan.holdout_uri, plan.inputs, begin_apart, apart)
    steps.begin(f"read {plan.uri}")
    table = take_snapshot(plan.format, plan.uri, plan.snapshot, [plan.id_column, *columns])
    chunks = read_ids(
        plan.uri,
        plan.id_column,
        plan.inputs,
        plan.id_length,
        files.append,
        beside=holdout or (),
        begin=begin,
        snapshot=table,
    )
    rows = store_ids(work_dir / IDS, chunks)
    return Indexed(
        rows=rows,
        files=[DataFile.model_validate(file) for file in files],
        holdout_files=None if holdout is None else [DataFile.model_validate(f) for f in holdout],
        snapshot=version_of(table),
        holdout_snapshot=version_of(apart),
    )


def ending_of(error: Exception, steps: Steps) -> Refused | Failed:
    """How indexing ends that this error ends."""
    if isinstance(error, DatasetError):
        return Refused(reason=str(error))
    if isinstance(error, MemoryError):
        # The supervisor knows the step, and says what to do.
        return Failed(reason="It ran out of memory.", code=JobReason.OUT_OF_MEMORY)
    if isinstance(error, OSError):
        return Failed(reason=trouble(error), code=trouble_code(error))
    return steps.broken(error)
