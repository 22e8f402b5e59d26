"""Waiting for what happens elsewhere."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def wait_until(happens: Callable[[], Any], *, every: float = 0.05, patience: float = 120) -> Any:
    """The first truthy answer of `happens`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        answer = happens()
        if answer:
            return answer
        time.sleep(every)
    raise AssertionError(f"{happens} did not happen in {patience:.0f} s")


def is_running(pid: int) -> bool:
    """Whether it runs; one that has ended may wait for its parent to take note."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
