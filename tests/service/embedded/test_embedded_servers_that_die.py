"""Embedded servers that die while they are needed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from service.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from service.embedded.files import holders_of
from service.embedded.keeper import Keeper, RestartPolicy
from tests.waiting import wait_until


def libpq(url: str) -> str:
    return url.replace("+psycopg", "")


def kept(keeper: Keeper, url: str) -> bool:
    """Whether the server answers again, after one more look at it."""
    keeper.poll()
    try:
        if url.startswith("redis"):
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        with psycopg.connect(libpq(url), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except (redis.ConnectionError, psycopg.OperationalError):
        return False


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[tuple[EmbeddedRedis, str]]:
    server = EmbeddedRedis(tmp_path)
    with server as url:
        yield server, url


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_redis_that_died_answers_again_at_the_same_address(
    valkey: tuple[EmbeddedRedis, str], number: signal.Signals
) -> None:
    server, url = valkey
    keeper = Keeper([server])
    keeper.poll()
    first = server.pid
    assert first is not None

    os.kill(first, number)

    wait_until(lambda: kept(keeper, url) and server.pid != first, every=0.05, patience=20)


def test_a_postgres_that_was_killed_at_work_comes_back_with_what_it_had_committed(
    tmp_path: Path,
) -> None:
    server = EmbeddedPostgres(tmp_path)
    with server as url:
        keeper = Keeper([server])
        with psycopg.connect(libpq(url), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 17 AS number")
            # A session that is at work does not notice the death of its server.
            busy = threading.Thread(target=work_on, args=(connection,))
            busy.start()
            wait_until(lambda: len(holders_of(tmp_path / "postgres" / "server.lock")) > 3)
            assert server.pid is not None

            os.kill(server.pid, signal.SIGKILL)

            wait_until(lambda: kept(keeper, url), every=0.05, patience=60)
            busy.join(10)
        with psycopg.connect(libpq(url)) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (17,)


def work_on(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT sum(sqrt(n)) FROM generate_series(1, 1000000000) AS n")


def test_a_server_that_dies_again_and_again_ends_with_one_line(
    valkey: tuple[EmbeddedRedis, str],
) -> None:
    server, _ = valkey
    keeper = Keeper([server], RestartPolicy(deaths=3, within=60, wait=0.05))

    def again_and_again() -> None:
        for _ in range(500):
            keeper.poll()
            if server.pid is not None:
                os.kill(server.pid, signal.SIGKILL)
            time.sleep(0.02)

    with pytest.raises(EmbeddedServerError) as told:
        again_and_again()

    sentence = str(told.value)
    assert sentence.startswith("Redis ended 3 times within 60 s (last: killed by signal 9")
    assert str(server.log_file) in sentence
    assert "\n" not in sentence


def test_deaths_of_long_ago_do_not_count(valkey: tuple[EmbeddedRedis, str]) -> None:
    server, url = valkey
    keeper = Keeper([server], RestartPolicy(deaths=2, within=0.05, wait=0.05))
    for _ in range(3):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: kept(keeper, url), every=0.06, patience=20)


def test_a_server_that_died_can_be_stopped_before_it_is_back(
    valkey: tuple[EmbeddedRedis, str],
) -> None:
    server, url = valkey
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    keeper = Keeper([server])

    def is_buried() -> bool:
        keeper.poll()
        return server.pid is None

    wait_until(is_buried, every=0.001)

    server.stop()

    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()
