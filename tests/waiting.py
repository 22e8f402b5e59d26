"""Waiting for what happens elsewhere."""

import time
from collections.abc import Callable
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
