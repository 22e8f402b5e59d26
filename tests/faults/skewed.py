"""`python -m tests.faults.skewed …`: Celery's command in a process whose wall clock is wrong.

`time.time` is what Celery, kombu and our own code ask for the time of day. It is set wrong before
any of them is imported. The monotonic clock is another one, and right.
"""

import os
import time

TRUE_TIME = time.time
SECONDS = float(os.environ["DRILL_CLOCK_SECONDS"])


def wrong_time() -> float:
    return TRUE_TIME() + SECONDS


if __name__ == "__main__":
    setattr(time, "time", wrong_time)  # noqa: B010 (a function, to mypy)
    from celery.__main__ import main

    main()
