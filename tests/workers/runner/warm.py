"""Runs that do not wait for torch: each is forked from a process that has loaded it.

A run of a few steps takes less time than its imports. A fork has a runner's environment, and is no
session of its own: what is said of a run's process, of signals, memory and progress, is tested on
processes that a supervisor starts.
`python -m tests.workers.runner.warm` reads a run a line and answers with how its process ended.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from workers.supervision import environment

ROOT = Path(__file__).parents[3]


class Warm:
    """A process that forks runs, one after the other, for as long as this one lives."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.runner.warm"],
            cwd=ROOT,
            # torch reads some of it once.
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.end)

    def run(self, work: Path) -> int:
        """Do the plan in that folder with this process's environment -> its process's exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(work), environment()]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks runs has ended"
        return int(answer)

    def end(self) -> None:
        """Also what it runs just now, which dies with it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # What was written to a process that is gone cannot be flushed.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@cache
def warm() -> Warm:
    return Warm()


def run_warm(work: Path) -> int:
    """Do the plan in that folder in a process of its own -> its exit code."""
    process = warm()
    try:
        return process.run(work)
    except BaseException:
        # A test that was interrupted must not leave its answer to the next one.
        warm.cache_clear()
        process.end()
        raise


def code_of_fork(work: Path, given: dict[str, str]) -> int:
    """Do the plan in that folder in a fork, with that environment -> its exit code."""
    from workers.runner.__main__ import main
    from workers.runner.death import die_with

    server, pid = os.getpid(), os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        die_with(server)
        os.environ.clear()
        os.environ.update(given)
        # The server's requests are not for it, and nobody reads its progress.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main(work)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer each line of standard input, a folder and an environment, with an exit code."""
    import torch

    import workers.runner.process  # noqa: F401 (what a run imports)

    # This loads torch's compiler, which takes seconds as well.
    torch.use_deterministic_algorithms(mode=True)
    for line in sys.stdin:
        work, given = json.loads(line)
        print(code_of_fork(Path(work), given), flush=True)  # noqa: T201 (it is the answer)


if __name__ == "__main__":
    serve()
