"""Reads a plan, does it, and leaves an outcome beside it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from workers.plan import OUTCOME, PLAN, Ending, Failed, Plan, ProgressLine, Refused, UnlearnPlan
from workers.runner.progress import ProgressPipe

PR_SET_PDEATHSIG = 1

log = structlog.get_logger(__name__)


def die_with(parent: int) -> None:
    """Be killed when the supervisor is, so that a dead worker's run cannot go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("The supervisor is gone.")


def main(work_dir: Path) -> None:
    # torch is imported here and not above: the supervisor's death must be noticed before.
    from service.core.logging import configure_logging, log_what_nobody_handles
    from service.core.settings import Settings
    from workers.data.locations import trouble
    from workers.runner.refusals import REFUSALS
    from workers.runner.unlearn import unlearn
    from workers.runner.validate import validate

    pipe = ProgressPipe()
    pipe.tell(ProgressLine(phase="loading", fraction=0))
    text = (work_dir / PLAN).read_text(encoding="utf-8")
    plan: Plan = TypeAdapter[Plan](Plan).validate_json(text)
    settings = Settings()
    configure_logging(settings.log_level, process="runner")
    log_what_nobody_handles()
    ending: Ending
    try:
        if isinstance(plan, UnlearnPlan):
            ending = unlearn(plan, work_dir, settings, pipe.tell)
        else:
            ending = validate(plan, work_dir, settings, pipe.tell)
    except REFUSALS as error:
        log.warning("run refused", reason=str(error), exc_info=error)
        ending = Refused(reason=str(error))
    except OSError as error:
        log.warning("run failed", reason=trouble(error), exc_info=error)
        ending = Failed(reason=trouble(error))
    partial = work_dir / f"{OUTCOME}.partial"
    partial.write_text(ending.model_dump_json(), encoding="utf-8")
    partial.rename(work_dir / OUTCOME)


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    main(Path(sys.argv[1]))
    # The outcome is written. What native libraries do while an interpreter ends, such as aborting
    # over a thread that still runs, must not turn it into a crash.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
