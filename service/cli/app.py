"""All commands, put together."""

from importlib import import_module
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from service.cli.console import fail
from service.core.errors import CannotStartError, ConfigurationError
from service.core.settings import Settings

# Importing all of them takes longer than most of them do: each is imported when it is asked for.
COMMANDS = {
    "demo": "service.cli.demo:demo",
    "up": "service.cli.up:up",
    "api": "service.cli.processes:api",
    "worker": "service.cli.processes:worker",
    "dispatcher": "service.cli.processes:dispatcher",
    "migrate": "service.cli.processes:migrate",
    "keys": "service.cli.keys:app",
    "datasets": "service.cli.resources:datasets",
    "models": "service.cli.resources:models",
    "requests": "service.cli.resources:requests",
    "jobs": "service.cli.resources:jobs",
}


class Commands(TyperGroup):
    """Commands that are imported when they are asked for.

    Errors that a user can mend end as one line that says how, not as a traceback.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = imported(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            # So that the nearest one is named.
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            fail(wrong_settings(error))
        except (ConfigurationError, CannotStartError) as error:
            fail(str(error))


def imported(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    return typer.main.get_command(single)


def wrong_settings(error: ValidationError) -> str:
    """The variables that make no sense. Their values are left out: a URL holds a password."""
    prefix = str(Settings.model_config["env_prefix"])
    complaints = [
        f"{prefix}{found['loc'][0]}".upper() + f" ({found['msg'].removeprefix('Value error, ')})"
        for found in error.errors(include_url=False, include_input=False)
    ]
    return f"Set {' and '.join(complaints)} to something else, or leave it out."


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Deletion requests in, unlearned and audited model versions out.",
)


@app.callback()
def unlearnd() -> None:
    """Deletion requests in, unlearned and audited model versions out."""
