"""Bringing a database to the schema that this code expects."""

from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from service.core.errors import ConfigurationError

MIGRATION_LOCK = 0x756E6C6561726E  # "unlearn"


def config(database_url: str) -> Config:
    # Found, not imported: the service knows the migrations by their place only.
    found = find_spec("migrations")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError("The package `migrations` is missing: install unlearnd again.")
    settings = Config()
    settings.set_main_option("script_location", str(Path(found.submodule_search_locations[0])))
    settings.set_main_option("path_separator", "os")
    settings.set_main_option(
        "file_template",
        "%%(year)d_%%(month).2d_%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s",
    )
    settings.set_main_option("timezone", "UTC")
    settings.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return settings


def upgrade(database_url: str) -> None:
    command.upgrade(config(database_url), "head")


def is_current(engine: Engine) -> bool:
    """Whether the database is at the newest migration that this code knows."""
    script = ScriptDirectory.from_config(config(""))
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present == script.get_current_head()
