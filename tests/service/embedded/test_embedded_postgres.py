"""PostgreSQL out of a wheel: started, stopped, started again."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from service.embedded import EmbeddedPostgres, EmbeddedServerError
from service.embedded import server as server_module


def connect(url: str, **changes: str) -> psycopg.Connection:
    conninfo = make_conninfo(url.replace("+psycopg", ""), **changes)
    return psycopg.connect(conninfo, autocommit=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for the file: its data outlive every start."""
    return tmp_path_factory.mktemp("postgres") / "home"


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home)
    yield server
    server.stop()


def test_the_data_outlive_a_stop(server: EmbeddedPostgres) -> None:
    with connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept (value text PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES ('before')")
    first = server.pid
    server.stop()
    assert server.pid is None

    with connect(server.start()) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [("before",)]
        connection.execute("DROP TABLE kept")
    assert server.pid != first


def test_the_database_is_utf8_and_durable_and_far_from_strangers(server: EmbeddedPostgres) -> None:
    expected = {
        "server_encoding": "UTF8",
        "fsync": "on",
        "full_page_writes": "on",
        "listen_addresses": "127.0.0.1",
        "timezone": "UTC",
        "log_statement": "none",
    }

    with connect(server.start()) as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchone() for name in expected}
        role = connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()

    assert found == {name: (value,) for name, value in expected.items()}
    assert role == (False,)


def test_one_that_need_not_be_durable_waits_for_no_disk(home: Path) -> None:
    server = EmbeddedPostgres(home, durable=False)
    with server as url, connect(url) as connection:
        for setting in ("fsync", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("off",)


def test_a_wrong_password_and_the_superuser_are_refused(server: EmbeddedPostgres) -> None:
    url = server.start()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(url, password="wrong")
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        connect(url, user="postgres")


def test_only_the_owner_reads_the_password(server: EmbeddedPostgres, home: Path) -> None:
    url = server.start()
    file = home / "postgres" / "password"

    assert file.read_text() in url
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert file.read_text() not in Path(f"/proc/{server.pid}/cmdline").read_text()


def test_a_second_start_is_refused(server: EmbeddedPostgres, home: Path) -> None:
    url = server.start()

    with pytest.raises(EmbeddedServerError, match=r"^The PostgreSQL of .* is already in use"):
        EmbeddedPostgres(home).start()

    with connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_starts_after_a_crash(server: EmbeddedPostgres) -> None:
    with connect(server.start()) as connection:
        connection.execute("CREATE TABLE crashed AS SELECT 1 AS value")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert (server.data / "postmaster.pid").exists()

    with connect(server.start()) as connection:
        assert connection.execute("SELECT value FROM crashed").fetchall() == [(1,)]
        connection.execute("DROP TABLE crashed")


def test_a_number_of_someone_else_in_the_pid_file_is_no_obstacle(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    pid_file = server.data / "postmaster.pid"
    first, _, rest = pid_file.read_text().partition("\n")
    server.stop()
    assert first.isdecimal()
    pid_file.write_text(f"{os.getpid()}\n{rest}")

    with connect(server.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_lost_password_is_set_anew(server: EmbeddedPostgres, home: Path) -> None:
    before = server.start()
    server.stop()
    (home / "postgres" / "password").unlink()

    after = server.start()

    assert after.rpartition("@")[0] != before.rpartition("@")[0]


def test_a_foreign_password_is_named(server: EmbeddedPostgres, home: Path) -> None:
    file = home / "postgres" / "password"
    server.start()
    server.stop()
    right = file.read_text()
    file.write_text("wrong")
    try:
        with pytest.raises(EmbeddedServerError, match="is not that of the data"):
            server.start()
        assert server.pid is None
    finally:
        file.write_text(right)


def test_a_port_that_is_taken_in_between_is_given_up(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = server_module.free_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        ports = iter([taken, taken, choose()])
        monkeypatch.setattr(server_module, "free_port", lambda: next(ports))

        url = server.start()

    assert f":{taken}/" not in url


def test_it_says_why_it_does_not_start(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.embedded.postgres.SETTINGS", {"shared_buffers": "many"})

    with pytest.raises(EmbeddedServerError, match=r"(?s)ended at its start.*shared_buffers"):
        server.start()


def test_a_missing_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(EmbeddedServerError, match=r"unlearnd\[embedded\].*UNLEARND_DATABASE_URL"):
        EmbeddedPostgres(tmp_path).start()


def test_no_value_reaches_the_log(server: EmbeddedPostgres, home: Path) -> None:
    secret = "sample-4711"
    url = server.start()
    with connect(url) as connection:
        connection.execute("CREATE TABLE hidden (value text PRIMARY KEY)")
        connection.execute("INSERT INTO hidden VALUES (%s)", [secret])
        with pytest.raises(psycopg.errors.UniqueViolation, match=secret):
            connection.execute("INSERT INTO hidden VALUES (%s)", [secret])
        with pytest.raises(psycopg.errors.UniqueViolation, match=secret):
            connection.execute(sql.SQL("INSERT INTO hidden VALUES ({})").format(secret))
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=secret):
            connection.execute("SELECT %s::integer", [secret])
        connection.execute("DROP TABLE hidden")
    server.stop()

    logs = [path.read_text() for path in (home / "log").iterdir()]

    assert any("ready to accept connections" in log for log in logs)
    assert not any(secret in log for log in logs)
    assert not any((home / "postgres" / "password").read_text() in log for log in logs)
