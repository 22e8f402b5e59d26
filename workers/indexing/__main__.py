"""Reads a plan, does it, and leaves an outcome and the IDs beside it."""

import os
import sys
from pathlib import Path

from workers.runner.death import die_before_others, die_with


def main(work_dir: Path) -> None:
    # The supervisor's death must be noticed before what takes longer to import.
    from service.core.logging import configure_logging, log_what_nobody_handles
    from service.core.settings import Settings
    from workers.indexing.process import fulfil, read_plan
    from workers.memory import limit_allocations
    from workers.quoting import in_log
    from workers.runner.progress import ProgressPipe

    configure_logging(Settings().log_level, process="indexing", told=in_log)
    log_what_nobody_handles()
    plan, pipe = read_plan(work_dir), ProgressPipe()
    limit_allocations(plan.memory_limit_mib)
    fulfil(work_dir, plan, pipe.tell)


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    die_before_others()
    main(Path(sys.argv[1]))
    # Threads of a file system's library may hang on a server: nothing is left to wait for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
