"""`unlearnd up`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.console import err
from service.cli.sources import for_one_person
from service.cli.stack import stack
from service.core.logging import configure_logging, log_what_nobody_handles
from service.core.settings import Settings
from service.core.sources import SETTING
from service.supervisor import stop_signals


def up(
    home: Annotated[
        Path | None, typer.Option(help="Instead of UNLEARND_HOME.", show_default=False)
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Instead of UNLEARND_HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Instead of UNLEARND_PORT.", min=1, max=65535, show_default=False),
    ] = None,
) -> None:
    """Run everything on this machine: servers, API, dispatcher and workers.

    Servers that UNLEARND_DATABASE_URL and UNLEARND_REDIS_URL name are used; what is not named is
    started, and kept under UNLEARND_HOME. Ends cleanly on SIGINT and SIGTERM.
    """
    given: dict[str, Any] = {"home": home, "host": host, "port": port}
    named = Settings(**{name: value for name, value in given.items() if value is not None})
    settings = for_one_person(named)
    configure_logging(settings.log_level, process="up")
    log_what_nobody_handles()
    with stop_signals() as signals, stack(settings, signals, logs=None) as service:
        if not signals.stop.is_set():
            ready = f"unlearnd is ready at {service.url}; its API is described at /docs."
            err.print(ready, soft_wrap=True)
            below = ", ".join(map(str, settings.allowed_sources.prefixes))
            told = f"Datasets and models are opened below {below} only; {SETTING} changes that."
            err.print(told, soft_wrap=True)
            err.print(f"The administrator's key is in {settings.admin_key_file}.", soft_wrap=True)
        service.run_until(signals.stop)
