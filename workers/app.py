"""The Celery application of the workers: `celery -A workers.app worker -P threads -c 1 -Q gpu`.

A worker is a supervisor only. It imports no torch, and reads no registered file: each run and each
registration has a process of its own.
"""

from typing import Any

import structlog
from celery.signals import celeryd_init, setup_logging, worker_init, worker_shutting_down

from service.core.errors import ConfigurationError
from service.core.logging import configure_logging, log_what_nobody_handles
from service.core.messages import celery_app
from service.core.storage import StorageError
from workers import context, janitor, keeper
from workers.lifecycle import litter

log = structlog.get_logger(__name__)


def broker_url() -> str:
    url = context.settings().redis_url
    if url is None:
        raise ConfigurationError("Set UNLEARND_REDIS_URL, or run `unlearnd up`.")
    return url


app = celery_app(context.settings(), broker_url())
app.conf.include = [
    "workers.tasks.index_dataset",
    "workers.tasks.run_job",
    "workers.tasks.validate_model",
]


# Celery's first signal as well, because it warns and sweeps before it sets up logging.
@celeryd_init.connect
@setup_logging.connect
def log_our_way(**_: Any) -> None:
    configure_logging(context.settings().log_level, process="worker")
    log_what_nobody_handles()


@worker_init.connect
def make_what_tasks_share(**_: Any) -> None:
    """Before any task: two that begin at once would each make it."""
    context.bulk_database()
    context.store()


@worker_init.connect
def sweep_scratch(**_: Any) -> None:
    janitor.keep_sweeping(context.database(), context.settings(), keeper.stopping)


@worker_init.connect
def sweep_litter(**_: Any) -> None:
    """A worker that cannot look for litter now can work all the same."""
    limit = context.settings().job_time_limit_seconds
    try:
        litter.sweep(context.database(), context.store(), older_than=limit)
    except (OSError, StorageError, *keeper.MAY_PASS) as error:
        log.warning("files without a version were not looked for", error=type(error).__name__)


@worker_shutting_down.connect
def give_work_back(**_: Any) -> None:
    keeper.stopping.set()
