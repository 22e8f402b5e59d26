"""`python -m migrations.draft "add what"`: draft a migration on an embedded PostgreSQL."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from service.core import schema
from service.embedded import EmbeddedPostgres


def main(message: str) -> None:
    if not message:
        sys.exit('Say what it does: make migration NAME="add what".')
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)) as url:
        schema.upgrade(url)
        command.revision(schema.config(url), message, autogenerate=True)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]).strip())
