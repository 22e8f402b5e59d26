"""Arguments of `unlearnd` that are names, IDs and the owners of keys."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import APIKey
from tests.service.cli.running import complaint, unlearnd
from tests.service.serving import Served


@pytest.mark.parametrize(
    "command",
    [
        "requests show ../models",
        "requests show 17",
        "requests watch ..%2fmodels",
        "jobs show ../deletion-requests",
        "datasets show ../models",
        "datasets show a/../../models",
        "models show a?limit=1",
        "models versions a/b",
        "models show ..",
    ],
)
def test_an_argument_never_becomes_another_path(tmp_path: Path, command: str) -> None:
    done = unlearnd(*command.split(), home=tmp_path, UNLEARND_API_KEY="ul_live_x")

    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert "Invalid value for" in done.stderr


@pytest.mark.parametrize("command", ["show", "watch"])
def test_a_request_that_is_not_there_leaves_one_line_and_no_bar(
    tmp_path: Path, served: Served, command: str
) -> None:
    missing = str(uuid4())

    done = unlearnd(
        *("requests", command, missing),
        home=tmp_path,
        UNLEARND_URL=served.url,
        UNLEARND_API_KEY=served.key,
    )

    assert missing in complaint(done)


@pytest.mark.parametrize("owner", ["", "   ", "x" * 129, "two\nlines"])
def test_a_key_needs_a_name(
    tmp_path: Path, settings: Settings, session: Session, owner: str
) -> None:
    done = unlearnd(
        "keys", "create", owner, home=tmp_path, UNLEARND_DATABASE_URL=settings.database_url or ""
    )

    assert "Name whose key it is" in complaint(done)
    assert session.scalars(select(func.count()).select_from(APIKey)).one() == 0
