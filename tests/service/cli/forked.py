"""One call of `unlearnd` in a fork of a process that has imported the commands already."""

import os
import sys
from pathlib import Path

# What a command imports before it does anything takes longer than what it then does.
IMPORTED = [
    *(f"service.cli.{name}" for name in ("app", "demo", "keys", "processes", "resources", "up")),
    *("service.core.schema", "service.main", "service.serving", "psycopg"),
]


def main(args: tuple[str, ...], env: dict[str, str], out: Path, err: Path) -> None:
    """Be `unlearnd` with these arguments and this environment, and add to these files."""
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["unlearnd", *args]

    from service.cli import app

    app()
