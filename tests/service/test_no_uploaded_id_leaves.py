"""PostgreSQL quotes the line of a COPY that it stumbles over: that stays where it is."""

import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core import keys, schema
from service.core.db import Database
from service.core.settings import Settings
from service.embedded import ServerURLs
from service.main import create_app
from tests import factories
from tests.conftest import GIVEN, drop, on_server, url_of
from tests.service.calls import REQUESTS, refused
from tests.service.test_no_sample_id_leaves import postgres_logs

SECRET = "sid-SECRET"


@pytest.fixture
def narrow(servers: ServerURLs) -> Iterator[Database]:
    """A database that cannot hold every character of UTF-8."""
    name = f"unlearnd_latin_{uuid4().hex[:12]}"
    how = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
    on_server(servers.database_url, f"CREATE DATABASE {name} {how}")
    url = url_of(servers.database_url, name)
    schema.upgrade(url)
    opened = Database(url)
    yield opened
    opened.dispose()
    drop(servers.database_url, name)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_that_breaks_a_copy_is_in_no_answer_and_no_log(
    narrow: Database, settings: Settings, servers_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = keys.create("admin")
    with Session(narrow.engine) as session:
        session.add(key.row)
        factories.dataset(session)
    url = narrow.engine.url.render_as_string(hide_password=False)
    app = create_app(settings.model_copy(update={"database_url": url, "log_level": "DEBUG"}))

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post(
            f"{REQUESTS}/uploads?dataset=digits",
            content=f"s-1\n{SECRET}-\u20ac\n".encode(),
            headers={"Authorization": f"Bearer {key.text}"},
        )

    refused(answer, 500, "internal")
    written = capsys.readouterr().err
    assert '"error": "DataError"' in written
    assert SECRET not in answer.text + written
    server_logs = postgres_logs(servers_home)
    assert server_logs or GIVEN
    assert SECRET not in server_logs
