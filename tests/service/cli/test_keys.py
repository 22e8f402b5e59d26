"""Making and revoking keys is history as well, and no secret is in it."""

from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.cli.keys import ensure_admin_key
from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import Event
from tests.service.cli.running import unlearnd


def test_keys_that_are_made_and_revoked_are_told(
    settings: Settings, session: Session, tmp_path: Path
) -> None:
    url = settings.database_url or ""
    made = unlearnd("keys", "create", "privacy team", home=tmp_path, UNLEARND_DATABASE_URL=url)
    assert made.returncode == 0, made.stderr
    _, _, key_id, secret, _ = made.stdout.strip().split("_")
    for _time in range(2):  # Revoking it again changes nothing and records no event.
        gone = unlearnd("keys", "revoke", key_id, home=tmp_path, UNLEARND_DATABASE_URL=url)
        assert gone.returncode == 0, gone.stderr

    told = session.execute(select(Event.kind, Event.actor, Event.data).order_by(Event.id)).all()
    about = {"name": "privacy team", "key_id": key_id}
    assert told == [("key.created", "cli", about), ("key.revoked", "cli", about)]
    history = "\n".join(session.scalars(text("SELECT events::text FROM events")))
    assert key_id in history
    assert secret not in history


def test_the_administrators_key_is_told_when_it_is_made_only(
    database: Database, session: Session, tmp_path: Path
) -> None:
    for _time in range(2):
        ensure_admin_key(database, tmp_path / "admin.key")

    told = session.execute(select(Event.kind, Event.data["name"].astext)).all()
    assert told == [("key.created", "admin")]
