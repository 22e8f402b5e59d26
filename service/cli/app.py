"""All commands, put together."""

from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from service.cli import demo, keys, processes, resources, up
from service.cli.console import fail
from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.embedded import EmbeddedServerError
from service.supervisor import CrashLoopError


class OneLineErrors(TyperGroup):
    """Errors that a user can mend end as one line that says how, not as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            fail(wrong_settings(error))
        except (ConfigurationError, EmbeddedServerError, CrashLoopError) as error:
            fail(str(error))


def wrong_settings(error: ValidationError) -> str:
    """The variables that make no sense. Their values are left out: a URL holds a password."""
    prefix = str(Settings.model_config["env_prefix"])
    complaints = [
        f"{prefix}{found['loc'][0]}".upper() + f" ({found['msg'].removeprefix('Value error, ')})"
        for found in error.errors(include_url=False, include_input=False)
    ]
    return f"Set {' and '.join(complaints)} to something else, or leave it out."


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Deletion requests in, unlearned and audited model versions out.",
)
app.command()(demo.demo)
app.command()(up.up)
app.command()(processes.api)
app.command()(processes.worker)
app.command()(processes.dispatcher)
app.command()(processes.migrate)
app.add_typer(keys.app, name="keys")
app.add_typer(resources.datasets, name="datasets")
app.add_typer(resources.models, name="models")
app.add_typer(resources.requests, name="requests")
app.add_typer(resources.jobs, name="jobs")
