"""The dispatcher's process: sweep, sleep, until told to stop."""

from threading import Event

import structlog
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import DBAPIError

from service.core.db import Database
from service.core.settings import Settings
from service.dispatcher.service import sweep

log = structlog.get_logger(__name__)


def run(database: Database, app: Celery, settings: Settings, stop: Event) -> None:
    """Sweep until `stop` is set. A server that is away is waited for."""
    log.info("dispatcher started", interval=settings.dispatch_interval_seconds)
    while not stop.is_set():
        try:
            sweep(database, app, settings)
        except (BrokerError, DBAPIError) as error:
            # Nothing of it is lost: what is due is found again by the next sweep.
            log.error("sweep cut short", exc_info=error)
        stop.wait(settings.dispatch_interval_seconds)
    log.info("dispatcher stopped")
