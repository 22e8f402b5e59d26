"""Servers whose power a drill holds, behind a proxy, so that their address survives a restart."""

import os
import signal
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from service.embedded import EmbeddedPostgres, EmbeddedRedis
from service.supervisor.spawn import has_exited
from tests.faults.proxy import Proxy
from tests.waiting import wait_until


class Powered:
    """An embedded server that can be switched off, and crash, and come back."""

    def __init__(self, server: EmbeddedPostgres | EmbeddedRedis, proxy: Proxy) -> None:
        self.server, self.proxy = server, proxy
        self.direct_url = ""

    def on(self) -> None:
        """Start it. Its own port may be another one each time; the proxy's is not."""
        if self.server.pid is None:
            self.direct_url = self.server.start()
            port = make_url(self.direct_url).port
            assert port is not None
            self.proxy.target_port = port

    def off(self) -> None:
        """Stop it in order."""
        self.server.stop()

    def crash(self, number: signal.Signals) -> None:
        """End it by a signal: SIGQUIT is PostgreSQL's immediate shutdown."""
        process = self.server._process
        assert process is not None
        os.kill(process.pid, number)
        wait_until(lambda: has_exited(process), every=0.01, patience=10)
        self.server.stop()

    def freeze(self) -> None:
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGCONT)

    @property
    def url(self) -> str:
        """Its address through the proxy."""
        url = make_url(self.direct_url).set(port=self.proxy.port)
        return url.render_as_string(hide_password=False)


class Servers:
    """PostgreSQL and Redis of one drill after another."""

    def __init__(self, home: Path) -> None:
        self.postgres = Powered(EmbeddedPostgres(home), Proxy())
        self.redis = Powered(EmbeddedRedis(home), Proxy())

    def run(self, statement: str, **values: str) -> None:
        """Run a statement that no transaction may hold, over a connection of its own."""
        url = self.postgres.direct_url
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement), values)

    def drop(self, database: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = :name AND usename = current_user",
            name=database,
        )
        self.run(f"DROP DATABASE {database}")

    def heal(self) -> None:
        """Whatever a drill left: power and networks are back."""
        for powered in (self.postgres, self.redis):
            powered.proxy.heal()
            powered.on()

    def close(self) -> None:
        for powered in (self.postgres, self.redis):
            powered.off()
            powered.proxy.close()
