"""`unlearnd up`."""

from service.cli.console import err
from service.cli.stack import stack
from service.core.logging import configure_logging
from service.core.settings import Settings
from service.supervisor import stop_signals


def up() -> None:
    """Run everything on this machine: servers, API, dispatcher and workers.

    Servers that UNLEARND_DATABASE_URL and UNLEARND_REDIS_URL name are used; what is not named is
    started, and kept under UNLEARND_HOME. Ends cleanly on SIGINT and SIGTERM.
    """
    settings = Settings()
    configure_logging(settings.log_level, process="up")
    with stop_signals() as signals, stack(settings, signals, logs=None) as service:
        if not signals.stop.is_set():
            err.print(f"unlearnd is ready at {service.url}; its API is described at /docs.")
            err.print(f"The administrator's key is in {settings.admin_key_file}.")
        service.supervisor.run_forever(signals.stop)
