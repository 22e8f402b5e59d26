"""What is set up wrongly ends as one line that names the setting and says what to do."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from service.core.settings import Settings
from tests.service.cli.running import complaint, unlearnd

PASSWORD = "hunter2-SECRET"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("up", "UNLEARND_PORT", "http"),
        ("api", "UNLEARND_PORT", "70000"),
        ("up", "UNLEARND_LEASE_SECONDS", "soon"),
        ("worker", "UNLEARND_LEASE_SECONDS", "0"),
        ("dispatcher", "UNLEARND_LOG_LEVEL", "LOUD"),
        ("worker", "UNLEARND_DEVICE", "tpu"),
        ("migrate", "UNLEARND_DATABASE_URL", f"sqlite:///{PASSWORD}"),
        ("api", "UNLEARND_DATABASE_URL", PASSWORD),
        ("dispatcher", "UNLEARND_DATABASE_URL", f"postgresql+asyncpg://u:{PASSWORD}@h/d"),
        ("keys", "UNLEARND_DATABASE_URL", f"postgresql+psycopg://u:{PASSWORD}@h:x/d"),
        ("worker", "UNLEARND_REDIS_URL", PASSWORD),
        ("up", "UNLEARND_REDIS_URL", f"amqp://u:{PASSWORD}@127.0.0.1//"),
        ("requests", "UNLEARND_HOME", "~no-such-user/home"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    tmp_path: Path, command: str, name: str, value: str
) -> None:
    words = [command, "list"] if command in ("keys", "requests") else [command]

    said = complaint(unlearnd(*words, home=tmp_path, **{name: value}))

    assert f"Set {name} (" in said
    assert PASSWORD not in said


@pytest.mark.parametrize("command", ["migrate", "api", "worker", "dispatcher", "up", "keys list"])
def test_a_database_that_is_away_is_one_line(
    tmp_path: Path, closed_port: int, command: str
) -> None:
    done = unlearnd(
        *command.split(),
        home=tmp_path,
        UNLEARND_DATABASE_URL=f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:{closed_port}/d",
        UNLEARND_REDIS_URL=f"redis://127.0.0.1:{closed_port}/0",
    )

    said = complaint(done)
    assert f"127.0.0.1:{closed_port}/d cannot be used (Connection refused)" in said
    assert "set UNLEARND_DATABASE_URL" in said
    assert PASSWORD not in said


def test_a_process_of_up_says_what_is_wrong_as_a_line_of_the_log(
    tmp_path: Path, closed_port: int
) -> None:
    done = unlearnd(
        "dispatcher",
        home=tmp_path,
        UNLEARND_DATABASE_URL=f"postgresql+psycopg://u@127.0.0.1:{closed_port}/d",
        UNLEARND_REDIS_URL=f"redis://127.0.0.1:{closed_port}/0",
        UNLEARND_SUPERVISED="1",
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "set UNLEARND_DATABASE_URL" in json.loads(line)["event"]


def lets_in(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    return True


def test_a_database_that_lets_nobody_in_says_so_without_the_password(
    tmp_path: Path, settings: Settings
) -> None:
    wrong = make_url(settings.database_url or "").set(password=PASSWORD)
    if lets_in(wrong):  # It asks for no password, and so refuses roles alone.
        wrong = wrong.set(username="no_such_role")

    done = unlearnd(
        "migrate",
        home=tmp_path,
        UNLEARND_DATABASE_URL=wrong.render_as_string(hide_password=False),
    )

    said = complaint(done)
    assert re.search(r"password authentication failed|role .* does not exist", said)
    assert PASSWORD not in said


def test_up_says_that_a_redis_which_is_named_is_away(tmp_path: Path, closed_port: int) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{closed_port}/0"

    said = complaint(unlearnd("up", home=tmp_path, UNLEARND_REDIS_URL=url))

    assert "does not answer at UNLEARND_REDIS_URL" in said
    assert PASSWORD not in said


@pytest.mark.parametrize("command", ["up", "worker", "demo", "keys list", "requests list"])
def test_a_home_that_cannot_be_a_folder_is_one_line(
    tmp_path: Path, settings: Settings, command: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    named = {
        "UNLEARND_DATABASE_URL": settings.database_url or "",
        "UNLEARND_REDIS_URL": settings.redis_url or "",
    }
    for home in (file, file / "below", Path("/proc/unlearnd")):
        if command == "keys list":
            named = {}
        if home.parent == Path("/proc") and command.endswith("list"):
            continue  # It is only missing, as far as a reader can tell.

        said = complaint(unlearnd(*command.split(), home=home, **named))

        assert str(home) in said
        assert "set UNLEARND" in said
        assert "UNLEARND_HOME" in said


def test_the_api_on_a_taken_port_is_one_line(tmp_path: Path, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = unlearnd(
            "api",
            home=tmp_path,
            UNLEARND_DATABASE_URL=settings.database_url or "",
            UNLEARND_PORT=str(port),
        )

    said = complaint(done)
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "set UNLEARND_PORT" in said


@pytest.mark.parametrize("key", ["ключ", "two words", "", "new\nline"])
def test_a_key_that_no_header_holds_is_one_line_that_does_not_repeat_it(
    tmp_path: Path, key: str
) -> None:
    said = complaint(unlearnd("requests", "list", home=tmp_path, UNLEARND_API_KEY=key))

    assert "UNLEARND_API_KEY holds no API key" in said
    assert not key or key not in said


def test_a_service_that_does_not_answer_is_told_without_its_password(
    tmp_path: Path, closed_port: int
) -> None:
    for url in (f"http://u:{PASSWORD}@127.0.0.1:{closed_port}", PASSWORD, "http://["):
        done = unlearnd(
            "requests", "list", home=tmp_path, UNLEARND_API_KEY="ul_live_x", UNLEARND_URL=url
        )

        said = complaint(done)
        assert "UNLEARND_URL" in said or f"127.0.0.1:{closed_port}" in said
        assert PASSWORD not in said
