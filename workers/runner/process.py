"""What one process of a run does: read the plan, do it, leave an outcome."""

import time
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from service.core.logging import configure_logging, log_what_nobody_handles
from service.core.settings import Settings
from workers.plan import OUTCOME, PLAN, Ending, Plan, ProgressLine, Refused, UnlearnPlan
from workers.runner.endings import ending_of
from workers.runner.progress import ProgressPipe
from workers.runner.unlearn import unlearn
from workers.runner.validate import validate
from workers.unlearning.errors import RanksError
from workers.unlearning.ranks import Ranks

# How long a process that refuses waits for the first one to refuse as well.
PATIENCE_SECONDS = 60.0

log = structlog.get_logger(__name__)


def read_plan(work_dir: Path) -> Plan:
    text = (work_dir / PLAN).read_text(encoding="utf-8")
    return TypeAdapter[Plan](Plan).validate_json(text)


def fulfil(
    work_dir: Path, plan: Plan, settings: Settings, pipe: ProgressPipe, ranks: Ranks
) -> None:
    """Do a plan, alone or as one of several processes. The first one speaks and writes.

    Raises:
        RanksError: this process refused, and the first one did not.
        Exception: a fault in code; or one of several processes, not the first, cannot go on.
    """
    configure_logging(settings.log_level, process="runner")
    log_what_nobody_handles()

    def tell(line: ProgressLine) -> None:
        if ranks.first:
            pipe.tell(line)

    ending: Ending | None
    try:
        if isinstance(plan, UnlearnPlan):
            ending = unlearn(plan, work_dir, settings, tell, ranks)
        else:
            ending = validate(plan, work_dir, settings, tell)
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        if isinstance(ending, Refused) and not ranks.first:
            await_outcome(work_dir, error)
            return
        what = "run refused" if isinstance(ending, Refused) else "run failed"
        log.warning(what, reason=ending.reason, code=ending.code, exc_info=error)
        if not ranks.first:
            # The launcher only learns that this process ended, and ends the others.
            write_outcome(work_dir, ending, ranks.rank)
            raise
    if ending is not None:
        write_outcome(work_dir, ending)


def write_outcome(work_dir: Path, ending: Ending, rank: int = 0) -> None:
    partial = work_dir / f"{OUTCOME}.{rank}.partial"
    partial.write_text(ending.model_dump_json(), encoding="utf-8")
    partial.rename(work_dir / OUTCOME)


def await_outcome(work_dir: Path, error: Exception) -> None:
    """What makes one process refuse makes all refuse: the first one tells it.

    Raises:
        RanksError: it does not.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while not (work_dir / OUTCOME).exists():
        if time.monotonic() > until:
            raise RanksError("One of several processes refused alone.") from error
        time.sleep(0.1)
