"""The `unlearnd` command in a process of its own."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import plain_environment


def unlearnd(*args: str, home: Path, **named: str) -> subprocess.CompletedProcess[str]:
    env = plain_environment(UNLEARND_HOME=str(home), COLUMNS="200") | named
    command = [sys.executable, "-m", "service.cli", *args]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, errors="surrogateescape", timeout=90
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command which cannot work ends with."""
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("unlearnd: ")
    return line
