"""Removing what attempts have kept for others that will never come.

A job may end on another machine, or be cancelled while no worker has it. What its earlier attempts
left here is made from samples that are to be forgotten, and goes then.
"""

from threading import Event, Thread
from uuid import UUID

import structlog
from sqlalchemy import select

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import LIVE, Job
from workers import workspace
from workers.keeper import MAY_PASS

PREFIX = "job-"
SECONDS_BETWEEN_SWEEPS = 30.0

log = structlog.get_logger(__name__)


def owner_of(job_id: UUID) -> str:
    """Whose scratch spaces a job's are."""
    return f"{PREFIX}{job_id}"


def live_owners(database: Database, owners: set[str]) -> set[str]:
    """Those whose jobs wait or run, and may come back for what they kept.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away.
    """
    ids = [UUID(owner.removeprefix(PREFIX)) for owner in owners if owner.startswith(PREFIX)]
    with database.unit_of_work() as session:
        found = session.scalars(select(Job.id).where(Job.id.in_(ids), Job.state.in_(LIVE)))
        return {owner_of(job_id) for job_id in found}


def sweep(database: Database, settings: Settings) -> None:
    """Remove the scratch space of attempts that nobody goes on with, if the database says so."""
    try:
        swept = workspace.sweep(settings, lambda owners: live_owners(database, owners))
    except (OSError, *MAY_PASS) as error:
        log.warning("scratch space was not swept", error=type(error).__name__)
        return
    if swept:
        log.warning("removed the scratch space of attempts that were cut short", attempts=swept)


def keep_sweeping(database: Database, settings: Settings, stop: Event) -> Thread:
    """Sweep now, and every half minute from a thread of its own until `stop` is set."""
    sweep(database, settings)

    def again() -> None:
        while not stop.wait(SECONDS_BETWEEN_SWEEPS):
            sweep(database, settings)

    thread = Thread(target=again, name="janitor", daemon=True)
    thread.start()
    return thread
