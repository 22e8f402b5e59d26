"""A job that is killed in every phase: `python -m tests.workers.runner.killed_runs PLAN.json`.

It is the code of a runner. Each attempt is a process of its own, forked where torch has been loaded
and has computed nothing yet, and is killed by a real SIGKILL. For each attempt it prints what that
told, and what it came to.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from service.core.settings import Settings
from workers.plan import KEPT, ProgressLine, UnlearnPlan
from workers.runner import loading
from workers.runner.unlearn import unlearn
from workers.unlearning import savepoints
from workers.unlearning.ranks import Ranks

# In which phase, and at which line about it. Inputs are copied before there is a line.
KILLS = [
    ("loading", 0),
    ("embedding", 2),
    ("modelling", 1),
    ("unlearning", 1),
    ("unlearning", 1),
    ("auditing", 2),
    ("publishing", 1),
]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(plan: UnlearnPlan, work: Path, kill: tuple[str, int] | None) -> None:
    """What the process does; it writes what it tells before it may be killed for it."""
    told: Counter[str] = Counter()
    if kill == ("loading", 0):
        copy = loading.copy

        def copy_and_die(*given: Any) -> Any:
            copied = copy(*given)
            die()
            return copied

        loading.copy = copy_and_die  # type: ignore[assignment]

    def tell(line: ProgressLine) -> None:
        told[line.phase] += 1
        (work / "told.json").write_text(json.dumps(told), encoding="utf-8")
        if (line.phase, told[line.phase]) == kill:
            die()

    outcome = unlearn(plan, work, Settings(), tell, Ranks())
    assert outcome is not None
    (work / "digest").write_text(outcome.written.digest, encoding="utf-8")


def in_a_process(plan: UnlearnPlan, work: Path, kill: tuple[str, int] | None) -> dict[str, Any]:
    shutil.rmtree(plan.staging, ignore_errors=True)
    plan.staging.mkdir()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            attempt(plan, work, kill)
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told, digest = work / "told.json", work / "digest"
    return {
        "kill": kill,
        "status": status,
        "told": json.loads(told.read_text(encoding="utf-8")) if told.exists() else {},
        "digest": digest.read_text(encoding="utf-8") if digest.exists() else None,
    }


def next_space(work: Path, number: int) -> Path:
    """What the next attempt gets: the lists of rows, and what was kept."""
    new = work.parent / f"attempt-{number}"
    new.mkdir()
    for name in ("forgotten.npy", "excluded.npy"):
        shutil.copyfile(work / name, new / name)
    if (work / KEPT).exists():
        (work / KEPT).rename(new / KEPT)
    return new


def main(plan_file: Path) -> None:
    # A savepoint after each step, whatever it costs.
    savepoints.LEAST_TIMES_ITS_COST = 0
    # This loads torch's compiler, which takes seconds: once here, and not in each process.
    torch.use_deterministic_algorithms(mode=True)
    plan = UnlearnPlan.model_validate_json(plan_file.read_text(encoding="utf-8"))
    undisturbed = next_space(plan_file.parent, 100)
    results = [in_a_process(plan, undisturbed, None)]
    work = plan_file.parent
    for number, kill in enumerate([*KILLS, None]):
        work = next_space(work, number)
        results.append(in_a_process(plan, work, kill))
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
