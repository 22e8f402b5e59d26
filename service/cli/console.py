"""What people see: results on standard output, everything else on standard error."""

from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(sentence: str) -> NoReturn:
    """End with one line on standard error and code 1."""
    err.print(f"[bold red]unlearnd:[/] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(1)
