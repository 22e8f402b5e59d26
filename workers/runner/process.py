"""What one process of a run does: read the plan, do it, leave an outcome."""

import time
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from service.core.logging import configure_logging, log_what_nobody_handles
from service.core.settings import Settings
from workers.data.errors import DatasetError
from workers.data.shown import Shown, shown
from workers.plan import (
    OUTCOME,
    PLAN,
    Ending,
    IndexPlan,
    Plan,
    ProgressLine,
    Refused,
    UnlearnPlan,
    ValidatePlan,
)
from workers.quoting import in_log
from workers.runner.endings import ending_of
from workers.runner.outcomes import traced, write_outcome
from workers.runner.progress import ProgressPipe
from workers.runner.steps import Steps
from workers.runner.unlearn import unlearn
from workers.runner.validate import validate
from workers.unlearning.ranks import Ranks

# How long a process that refuses waits for the first one to refuse as well: what all refuse, all
# come to at about the same time.
PATIENCE_SECONDS = 10.0

log = structlog.get_logger(__name__)


def read_plan(work_dir: Path) -> ValidatePlan | UnlearnPlan:
    text = (work_dir / PLAN).read_text(encoding="utf-8")
    plan = TypeAdapter[Plan](Plan).validate_json(text)
    assert not isinstance(plan, IndexPlan)  # noqa: S101 (see `workers.indexing`)
    return plan


def fulfil(
    work_dir: Path,
    plan: ValidatePlan | UnlearnPlan,
    settings: Settings,
    pipe: ProgressPipe,
    ranks: Ranks,
) -> None:
    """Do a plan, alone or as one of several processes. The first one speaks and writes.

    Raises:
        Exception: a fault in code, in unlearning; or one of several processes, not the first,
            cannot go on.
    """
    configure_logging(settings.log_level, process="runner", told=in_log)
    log_what_nobody_handles()

    def tell(line: ProgressLine) -> None:
        if ranks.first:
            pipe.tell(line)

    steps = Steps(tell)
    ending: Ending | None
    try:
        if isinstance(plan, UnlearnPlan):
            ending = unlearn(plan, work_dir, settings, tell, ranks)
        else:
            ending = validate(plan, work_dir, settings, steps.tell)
    except Exception as error:
        ending = ending_of(error)
        if ending is not None and isinstance(error, DatasetError):
            told = shown_by(plan).within(ending.reason)
            ending = ending.model_copy(update={"reason": told})
        if ending is None and isinstance(plan, ValidatePlan):
            ending = steps.broken(error)
        if ending is None:
            raise
        if isinstance(ending, Refused) and not ranks.first and the_first_tells(work_dir):
            return
        what = "run refused" if isinstance(ending, Refused) else "run failed"
        log.warning(what, reason=ending.reason, code=ending.code, exc_info=traced(error))
        if not ranks.first:
            # The launcher only learns that this process ended, and ends the others.
            write_outcome(work_dir, ending, ranks.rank)
            raise
    if ending is not None:
        write_outcome(work_dir, ending)


def shown_by(plan: ValidatePlan | UnlearnPlan) -> Shown:
    """The names by which reasons tell of the files of its datasets."""
    return shown([file.uri for file in (*plan.data.files, *plan.data.holdout_files)])


def the_first_tells(work_dir: Path) -> bool:
    """Whether the first process leaves an outcome as well: what made one refuse may make all.

    It does not where this process alone has read what is broken; the first one waits for it then.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while not (work_dir / OUTCOME).exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
