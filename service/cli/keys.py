"""`unlearnd keys`: who may call the API."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.cli.console import fail, out
from service.cli.preflight import refuse_unreachable_database
from service.cli.servers import with_servers
from service.core import actors, keys
from service.core.db import Database
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.settings import Settings
from service.core.tables import APIKey

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
ADMIN = "admin"
MOST_CHARACTERS = 128


def open_database() -> Database:
    settings = with_servers(Settings(), redis=False)
    assert settings.database_url  # noqa: S101 (with_servers names it)
    refuse_unreachable_database(settings.database_url)
    return Database(settings.database_url, pool_size=1, actor=actors.CLI)


def store(session: Session, row: APIKey) -> None:
    session.add(row)
    record(session, kinds.KeyCreated(name=row.name, key_id=row.prefix))


def ensure_admin_key(database: Database, path: Path) -> str:
    """The administrator's key in `path`, made anew if the database does not know it."""
    with database.unit_of_work() as session:
        if path.exists():
            text = path.read_text(encoding="utf-8").strip()
            if keys.recognise(session, text) is not None:
                return text
        key = keys.create(ADMIN)
        store(session, key.row)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(key.text + "\n")
    path.chmod(0o600)
    return key.text


@app.command("create")
def create(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Make a key. It is shown once: only a hash of it is kept."""
    if not name.strip() or len(name) > MOST_CHARACTERS or not name.isprintable():
        fail(f"Name whose key it is, in 1 to {MOST_CHARACTERS} printable characters.")
    key = keys.create(name)
    with open_database().unit_of_work() as session:
        store(session, key.row)
    out.print(key.text)


@app.command("list")
def show() -> None:
    """List keys, by the eight characters that they begin with after `ul_live_`."""
    table = Table("id", "name", "created", "revoked")
    with open_database().unit_of_work() as session:
        for key in session.scalars(select(APIKey).order_by(APIKey.created_at)):
            revoked = key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else ""
            table.add_row(
                key.prefix, key.name, key.created_at.isoformat(timespec="seconds"), revoked
            )
    out.print(table)


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, from `keys list`.")]) -> None:
    """Refuse a key from now on."""
    with open_database().unit_of_work() as session:
        key = session.scalar(select(APIKey).where(APIKey.prefix == key_id))
        if key is None:
            fail(f"There is no key {key_id!r}: see `unlearnd keys list`.")
        if key.revoked_at is None:
            key.revoked_at = session.scalars(select(func.now())).one()
            record(session, kinds.KeyRevoked(name=key.name, key_id=key.prefix))
