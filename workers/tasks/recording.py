"""What a task tells the database at its two ends: that it begins, and what it came to."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from service.core.reasons import JobReason
from workers import context
from workers.data.locations import trouble, trouble_code
from workers.keeper import MAY_PASS, Keeper
from workers.supervision import RunFailedError

log = structlog.get_logger(__name__)

T = TypeVar("T")
PAUSE_SECONDS = 1.0
# Whoever holds a lock for longer than this, or a statement that takes longer, is stuck.
PATIENCE_SECONDS = 600.0


def take(claim: Callable[[Session], T | None]) -> T | None:
    """What `claim` gets; None also where the database is away or busy: the bell rings again."""
    try:
        with context.database().unit_of_work() as session:
            return claim(session)
    except MAY_PASS as error:
        log.warning("nothing claimed", error=type(error).__name__)
        return None


def record(lease: Keeper, act: Callable[[Session], T]) -> T:
    """One transaction, begun anew while the database is away or busy and the lease is kept.

    Hours of work may hang on it. Where a commit's answer was lost, the next try finds that the
    work is over.

    Raises:
        LeaseLostError: another worker has the work, or it is over.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with context.database().unit_of_work() as session:
                return act(session)
        except MAY_PASS as error:
            log.warning("outcome not stored yet", error=type(error).__name__)
            if time.monotonic() > until:
                raise
        lease.check_lease()
        time.sleep(PAUSE_SECONDS)


def cause_of(error: RunFailedError | OSError) -> tuple[JobReason, str]:
    """Why an attempt has come to nothing, for programs and in a sentence."""
    if isinstance(error, RunFailedError):
        return error.code, str(error)
    return trouble_code(error), trouble(error)
