"""A run must not outlive whoever started it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
# From -1000, never, to 1000, always first. Everybody may raise their own.
KILLED_BEFORE_OTHERS = "500"


def die_with(parent: int) -> None:
    """Be killed when the parent is, so that a dead worker's run cannot go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("Whoever started this is gone.")


def die_before_others() -> None:
    """Where the machine's memory is short, have the kernel end this run and not its worker."""
    Path("/proc/self/oom_score_adj").write_text(KILLED_BEFORE_OTHERS, encoding="ascii")
