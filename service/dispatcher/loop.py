"""The dispatcher's process: sweep, sleep, until told to stop."""

from threading import Event

import structlog
from celery import Celery

from service.core.db import Database
from service.core.settings import Settings
from service.dispatcher.service import sweep

log = structlog.get_logger(__name__)


def run(database: Database, app: Celery, settings: Settings, stop: Event) -> None:
    """Sweep until `stop` is set. No failure of a step ends this: the next sweep tries it again."""
    log.info("dispatcher started", interval=settings.dispatch_interval_seconds)
    while not stop.is_set():
        sweep(database, app, settings)
        stop.wait(settings.dispatch_interval_seconds)
    log.info("dispatcher stopped")
