"""A worker's short transactions do not wait for ever; its long ones may."""

import time
from collections.abc import Iterator
from threading import Timer

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from service.core import patience
from service.core.db import Database
from tests.faults.proxy import Proxy


@pytest.fixture
def impatient(database_url: str) -> Database:
    return Database(database_url, pool_size=1, patience=1)


def test_a_statement_that_takes_too_long_is_given_up(impatient: Database) -> None:
    started = time.monotonic()

    with impatient.unit_of_work() as session, pytest.raises(OperationalError, match="timeout"):
        session.execute(text("SELECT pg_sleep(20)"))

    assert 0.9 < time.monotonic() - started < 10
    impatient.dispose()


def test_a_lock_that_somebody_keeps_is_given_up_before(
    impatient: Database, database: Database
) -> None:
    with database.engine.connect() as holder:
        holder.execute(text("LOCK TABLE jobs"))
        with impatient.unit_of_work() as session, pytest.raises(OperationalError, match="lock"):
            session.execute(text("LOCK TABLE jobs"))
        holder.rollback()
    impatient.dispose()


def test_a_server_that_is_gone_without_a_word_is_noticed(impatient: Database) -> None:
    with impatient.unit_of_work() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        given = connection.info.get_parameters()
    impatient.dispose()

    assert given["tcp_user_timeout"] == "1000"
    assert (given["keepalives_idle"], given["keepalives_interval"]) == ("1", "1")


def test_without_a_patience_nothing_is_given_up(database: Database) -> None:
    with database.unit_of_work() as session:
        limits = [
            session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")
        ]

    assert limits == ["0", "0"]


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """The way to the database."""
    port = make_url(database_url).port
    assert port is not None
    with Proxy() as opened:
        opened.target_port = port
        yield opened


def test_a_server_that_acknowledges_and_says_nothing_is_given_up(
    proxy: Proxy, database_url: str
) -> None:
    silent = Database(through(proxy, database_url), pool_size=1, patience=1)
    with silent.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.silence()
        started = time.monotonic()

        with pytest.raises(OperationalError, match="silent for 2 s"):
            connection.execute(text("SELECT 2"))

        assert 1.9 < time.monotonic() - started < 8
    proxy.heal()
    with silent.unit_of_work() as session:
        assert session.scalar(text("SELECT 1")) == 1
    silent.dispose()


@pytest.fixture
def bulk(
    proxy: Proxy, database_url: str, impatient: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """For statements that may be slow, looked after every third of a second."""
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.3)
    made = Database(through(proxy, database_url), pool_size=1, watched_by=impatient)
    yield made
    made.dispose()
    impatient.dispose()


def test_a_slow_statement_is_waited_for_while_the_server_works(bulk: Database) -> None:
    with bulk.unit_of_work() as session:
        assert session.scalar(text("SELECT 1 FROM pg_sleep(2)")) == 1


def test_a_statement_that_waits_for_another_is_waited_for(
    bulk: Database, database: Database
) -> None:
    holder = database.engine.connect()
    holder.execute(text("LOCK TABLE jobs"))
    letting_go = Timer(2, holder.close)
    letting_go.start()

    with bulk.unit_of_work() as session:
        session.execute(text("LOCK TABLE jobs"))
    letting_go.join()


def test_a_connection_that_was_left_half_open_is_replaced_when_it_is_taken(
    proxy: Proxy, bulk: Database
) -> None:
    with bulk.unit_of_work() as session:
        first = session.scalar(text("SELECT pg_backend_pid()"))
    proxy.strand()

    with bulk.unit_of_work() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != first


def test_a_statement_that_was_lost_on_the_way_is_given_up(proxy: Proxy, bulk: Database) -> None:
    with bulk.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.strand()

        with pytest.raises(OperationalError, match="does nothing for this connection"):
            connection.execute(text("SELECT 2"))


def test_while_nobody_can_ask_nothing_is_given_up(
    bulk: Database, impatient: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, Exception("The database is away."))

    monkeypatch.setattr(impatient.engine, "connect", away)

    with bulk.unit_of_work() as session:
        assert session.scalar(text("SELECT 1 FROM pg_sleep(1)")) == 1


def test_a_connection_whose_process_nobody_knows_is_not_watched(
    bulk: Database, impatient: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler tells another process's ID than the server's, and the statement is none of its."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", -1)
    assert not impatient.works_on(-1)

    with bulk.unit_of_work() as session:
        assert session.scalar(text("SELECT 1 FROM pg_sleep(1.5)")) == 1


def through(proxy: Proxy, url: str) -> str:
    return make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
