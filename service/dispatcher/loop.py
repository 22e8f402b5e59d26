"""The dispatcher's process: sweep, sleep, until told to stop."""

from threading import Event, Thread

import structlog
from celery import Celery

from service.core.db import Database
from service.core.settings import Settings
from service.dispatcher.service import sweep

log = structlog.get_logger(__name__)


# A sweep that waits for a server longer than this is left where it is. Nothing is lost by that: its
# transaction is rolled back, and what was due is due again.
STOP_SECONDS = 5.0


def run(database: Database, app: Celery, settings: Settings, stop: Event) -> None:
    """Sweep until `stop` is set. No failure of a step ends this: the next sweep tries it again.

    It returns `STOP_SECONDS` after `stop` at the latest, whatever the servers do.
    """
    log.info("dispatcher started", interval=settings.dispatch_interval_seconds)
    sweeping = Thread(target=_sweep, args=[database, app, settings, stop], daemon=True)
    sweeping.start()
    while sweeping.is_alive() and not stop.wait(1):
        pass
    sweeping.join(STOP_SECONDS)
    if sweeping.is_alive():
        log.warning("dispatcher stopped in the middle of a sweep")
    elif not stop.is_set():
        raise RuntimeError("The dispatcher's sweeps have ended.")
    else:
        log.info("dispatcher stopped")


def _sweep(database: Database, app: Celery, settings: Settings, stop: Event) -> None:
    while not stop.is_set():
        sweep(database, app, settings)
        stop.wait(settings.dispatch_interval_seconds)
