"""Reads a plan, does it, and leaves an outcome beside it."""

import gc
import os
import sys
from pathlib import Path

from workers.runner.death import die_before_others, die_with


def main(work_dir: Path) -> None:
    # torch is imported here and not above: the supervisor's death must be noticed before. What it
    # makes stays, and looking through it again and again for garbage takes a second.
    gc.disable()
    from service.core.settings import Settings
    from workers.device import count_processes
    from workers.plan import ProgressLine, UnlearnPlan
    from workers.runner.process import fulfil, read_plan
    from workers.runner.progress import ProgressPipe
    from workers.unlearning.ranks import Ranks

    gc.freeze()
    gc.enable()
    plan, settings = read_plan(work_dir), Settings()
    if isinstance(plan, UnlearnPlan):
        count = count_processes(plan.device, settings.processes)
        if count > 1:
            from workers.runner.launch import launch

            launch(work_dir, count)
            return
    pipe = ProgressPipe()
    pipe.tell(ProgressLine(phase="loading", fraction=0))
    fulfil(work_dir, plan, settings, pipe, Ranks())


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    die_before_others()
    main(Path(sys.argv[1]))
    # The outcome is written. What native libraries do while an interpreter ends, such as aborting
    # over a thread that still runs, must not turn it into a crash.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
