"""Valkey out of a wheel, and both servers together."""

import socket
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from service.embedded import EmbeddedRedis, EmbeddedServerError, embedded_pair
from service.embedded import server as server_module


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_it_answers_only_with_the_password(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with server as url:
        password = (tmp_path / "redis" / "password").read_text()

        assert ping(url)
        with pytest.raises(redis.AuthenticationError):
            ping(url.replace(f":{password}@", ""))
        with pytest.raises(redis.AuthenticationError):
            ping(url.replace(password, "wrong"))
        assert password not in Path(f"/proc/{server.pid}/cmdline").read_text()

    assert server.pid is None
    assert password not in (tmp_path / "log" / "redis.log").read_text()
    assert stat.S_IMODE((tmp_path / "redis" / "password").stat().st_mode) == 0o600
    with pytest.raises(redis.ConnectionError):
        ping(url)


def test_it_keeps_nothing_but_its_password(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with server as url, redis.Redis.from_url(url) as client:
        client.set("key", "value")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with server as again, redis.Redis.from_url(again) as client:
        assert client.get("key") is None

    assert again.rpartition("@")[0] == url.rpartition("@")[0]
    assert {path.name for path in (tmp_path / "redis").iterdir()} == {
        "owner.lock",
        "password",
        "server.lock",
    }


def test_a_second_start_is_refused(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as url:
        with pytest.raises(EmbeddedServerError, match="already in use"):
            EmbeddedRedis(tmp_path).start()

        assert ping(url)


def test_a_port_that_is_taken_in_between_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = server_module.free_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        ports = iter([taken, choose()])
        monkeypatch.setattr(server_module, "free_port", lambda: next(ports))

        with EmbeddedRedis(tmp_path) as url:
            assert f":{taken}/" not in url
            assert ping(url)


def test_no_free_port_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(server_module, "free_port", lambda: taken)
        server = EmbeddedRedis(tmp_path)

        with pytest.raises(EmbeddedServerError, match="found no free port"):
            server.start()

    monkeypatch.undo()
    with server as url:
        assert ping(url)


def test_the_pair_runs_both_for_the_length_of_a_block(tmp_path: Path) -> None:
    with embedded_pair(tmp_path) as urls:
        database_url = urls.database_url.replace("+psycopg", "")
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("unlearnd",)
        assert ping(urls.redis_url)

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database_url)
    with pytest.raises(redis.ConnectionError):
        ping(urls.redis_url)


def test_the_pair_starts_only_what_is_asked_for(tmp_path: Path) -> None:
    with embedded_pair(tmp_path, postgres=False) as urls:
        assert urls.database_url is None
        assert urls.redis_url is not None
        assert ping(urls.redis_url)

    assert not (tmp_path / "postgres").exists()
