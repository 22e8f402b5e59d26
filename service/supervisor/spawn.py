"""Start processes that never outlive us, and end them."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")

Stream = int | IO[bytes] | None


@dataclass(frozen=True)
class Identity:
    """The user and the group that a process of root's becomes."""

    uid: int
    gid: int


def spawn(
    args: Sequence[str],
    *,
    death_signal: signal.Signals,
    identity: Identity | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; the kernel signals it when we die.

    Its own session keeps a Ctrl-C in the terminal away from it: we get that, and end our
    children in order.

    The kernel takes the end of the *thread* that called this for our death, so call it from
    a thread that lives as long as the program should, such as the main thread.
    """
    who = identity or Identity(-1, -1)
    numbers = (os.getpid(), int(death_signal), who.uid, who.gid)
    return subprocess.Popen(
        # Isolated and without `site`: half the time to start, and nobody's PYTHON… variables.
        [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, numbers), *args],
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, leaving its PID taken until `reap`."""
    if process.returncode is not None:
        return True
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def reap(process: subprocess.Popen[bytes]) -> int:
    """Kill what is left of a process and its group; returns how it ended.

    Its group goes first: as long as it is not waited for, the number cannot be anyone else's.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"killed by signal {-code}, {signal.strsignal(-code)}"
    return f"exit status {code}"
