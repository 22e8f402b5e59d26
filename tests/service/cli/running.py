"""The `unlearnd` command in a process of its own."""

import subprocess
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import plain_environment
from tests.service.cli import forked

PATIENCE_SECONDS = 90
WIDTH = "200"


@cache
def forks() -> ForkServerContext:
    """Makes processes that have imported the commands, but have never run one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(forked.IMPORTED)
    with pytest.MonkeyPatch.context() as environment:
        # What writes to a terminal asks for its width when it is imported.
        environment.setenv("COLUMNS", WIDTH)
        forkserver.ensure_running()
    return context


def unlearnd(*args: str, home: Path, **named: str) -> subprocess.CompletedProcess[str]:
    """What a user gets who types this; `tests/e2e` starts an interpreter for each command."""
    env = plain_environment(UNLEARND_HOME=str(home), COLUMNS=WIDTH) | named
    with TemporaryDirectory() as folder:
        files = Path(folder) / "out", Path(folder) / "err"
        process = forks().Process(target=forked.main, args=(args, env, *files))
        process.start()
        process.join(PATIENCE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(args, PATIENCE_SECONDS)
        out, err = (file.read_text(errors="surrogateescape") for file in files)
    return subprocess.CompletedProcess(args, process.exitcode, out, err)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command which cannot work ends with."""
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("unlearnd: ")
    return line
