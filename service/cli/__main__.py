"""`python -m service.cli` is `unlearnd`."""

from service.cli import app

app()
