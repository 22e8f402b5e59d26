"""What people see: results on standard output, everything else on standard error."""

import os
from typing import NoReturn

import structlog
import typer
from rich.console import Console
from rich.markup import escape

# Set for the processes of `unlearnd up`, which write where it logs.
SUPERVISED = "UNLEARND_SUPERVISED"

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(sentence: str) -> NoReturn:
    """End with one line on standard error and code 1.

    It is a line of the log where it would stand among the lines of a log.
    """
    if SUPERVISED in os.environ:
        from service.core.logging import configure_logging

        configure_logging("INFO", process="unlearnd")
        structlog.get_logger(__name__).error(sentence)
        raise typer.Exit(1)
    err.print(f"[bold red]unlearnd:[/] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(1)
