"""SIGINT and SIGTERM as events."""

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class StopSignals:
    """`stop` is set by the first signal, `at_once` by the second."""

    stop: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Turn SIGINT and SIGTERM into events for the length of the block. Main thread only."""
    signals = StopSignals()
    arrived: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def note(_number: int, _frame: FrameType | None) -> None:
        # A handler interrupts the main thread anywhere, also inside `Event.wait`, where
        # `Event.set` would wait for a lock that this very thread holds. This queue has none.
        arrived.put(True)

    def pass_on() -> None:
        while arrived.get():
            (signals.at_once if signals.stop.is_set() else signals.stop).set()

    reader = threading.Thread(target=pass_on, name="stop-signals", daemon=True)
    reader.start()
    before = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        arrived.put(False)
        reader.join()
