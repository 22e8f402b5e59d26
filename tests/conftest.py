"""Real servers for every test: the embedded pair, or those that the environment names.

Each test that asks for a database gets one of its own, copied from a template that the real
migrations built, and a key prefix of its own in Redis.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import structlog
from fastapi.testclient import TestClient
from filelock import FileLock
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from service.core import actors, keys, schema
from service.core.db import Database
from service.core.settings import Settings
from service.embedded import EmbeddedPostgres, EmbeddedRedis, ServerURLs
from service.main import create_app

if TYPE_CHECKING:
    from tests.workers.memorised import Digits

# Taken out of the environment, so that no test reads a setting of whoever runs the suite, and kept
# for the processes among which pytest divides the tests.
GIVEN: dict[str, str] = json.loads(os.environ.pop("GIVEN_TO_TESTS", "{}"))
GIVEN |= {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("UNLEARND_")}
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["GIVEN_TO_TESTS"] = json.dumps(GIVEN)

# What is registered lies in folders that tests make, wherever these are.
# Folders that are hidden somewhere are open only if they are named.
ROOTS = ("/", gettempdir(), Path(__file__).parents[1])
ANYWHERE = ",".join(f"file://{root}" for root in ROOTS)
os.environ["UNLEARND_SOURCES"] = ANYWHERE

# What the databases of the tests take at most at one time, with room to spare.
SPACE = 4 * 2**30


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What a report of a failed test needs to say of the machine."""
    if all(argument.startswith("tests/service") for argument in config.args):
        return []
    # Loading torch takes a second.
    from tests import numerics

    return [numerics.described()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers, so that it alone can be run again on others."""
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session", autouse=True)
def loggers_follow_each_configuration() -> Iterator[None]:
    """A logger that an earlier test has used does not keep what that test had configured."""

    def configure(**given: Any) -> None:
        original(**given | {"cache_logger_on_first_use": False})

    original = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure)
        yield


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where embedded servers have their data and their logs; empty if others are named."""
    place = in_memory() or tmp_path_factory.mktemp("servers")
    with TemporaryDirectory(prefix="unlearnd-test-servers-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def servers(servers_home: Path) -> Iterator[ServerURLs]:
    """PostgreSQL and Redis: UNLEARND_DATABASE_URL and UNLEARND_REDIS_URL, or embedded ones."""
    database_url, redis_url = GIVEN.get("UNLEARND_DATABASE_URL"), GIVEN.get("UNLEARND_REDIS_URL")
    with ExitStack() as until_the_end:
        if database_url and redis_url:
            urls = ServerURLs(database_url, redis_url)
        else:
            # Nothing in it outlives the tests, and making and dropping a database a test is
            # several times as fast.
            postgres = EmbeddedPostgres(servers_home, durable=False)
            urls = ServerURLs(
                until_the_end.enter_context(postgres),
                until_the_end.enter_context(EmbeddedRedis(servers_home)),
            )
        until_the_end.callback(lambda: server(urls.database_url).dispose())
        yield urls


def in_memory() -> Path | None:
    """A file system in memory with room enough, for files come and go with each test's database."""
    place = Path("/dev/shm")  # noqa: S108 (what is made there has a name of its own)
    if not place.is_dir() or not os.access(place, os.W_OK):
        return None
    return place if shutil.disk_usage(place).free >= SPACE else None


@cache
def server(url: str) -> Engine:
    """One connection to the server's own database, for all that tests make and drop there."""
    return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)


def on_server(url: str, statement: str, **values: str) -> None:
    """Run a statement that no transaction may hold, on the server's own database."""
    with server(url).connect() as connection:
        connection.execute(text(statement), values)


def drop(url: str, database: str) -> None:
    """Drop a database, whoever is still connected to it.

    WITH (FORCE) would be refused to an ordinary role while autovacuum, which is the superuser's,
    looks at the database. A plain DROP ends autovacuum by itself and waits for the others to go.
    """
    end_ours = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = :database AND usename = current_user
    """
    on_server(url, end_ours, database=database)
    on_server(url, f"DROP DATABASE {database}")


def url_of(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(servers: ServerURLs) -> Iterator[str]:
    """The name of a database with the newest schema and no rows."""
    name = f"unlearnd_template_{uuid4().hex[:12]}"
    on_server(servers.database_url, f"CREATE DATABASE {name}")
    schema.upgrade(url_of(servers.database_url, name))
    yield name
    drop(servers.database_url, name)


@pytest.fixture
def empty_database_url(servers: ServerURLs) -> Iterator[str]:
    """A database without any table."""
    name = f"unlearnd_empty_{uuid4().hex[:12]}"
    on_server(servers.database_url, f"CREATE DATABASE {name}")
    yield url_of(servers.database_url, name)
    drop(servers.database_url, name)


@pytest.fixture
def database_url(servers: ServerURLs, template: str) -> Iterator[str]:
    """A migrated database that no other test sees."""
    name = f"unlearnd_test_{uuid4().hex[:12]}"
    on_server(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(servers.database_url, name)
    drop(servers.database_url, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, pool_size=8, actor=actors.SYSTEM)
    yield opened
    opened.dispose()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session that commits nothing by itself."""
    with database.session() as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, database_url: str, servers: ServerURLs) -> Settings:
    """Quick settings: short leases, a sweep ten times a second."""
    return Settings(
        home=tmp_path / "home",
        database_url=database_url,
        redis_url=servers.redis_url,
        redis_prefix=f"unlearnd-test-{uuid4().hex}:",
        lease_seconds=2,
        dispatch_interval_seconds=0.1,
        ring_again_seconds=2,
        device="cpu",
        sources=ANYWHERE.split(","),
    )


@pytest.fixture
def admin_key(database: Database) -> str:
    with database.unit_of_work() as opened:
        key = keys.create("admin")
        opened.add(key.row)
    return key.text


@pytest.fixture
def client(settings: Settings, admin_key: str) -> Iterator[TestClient]:
    """The API in this process, called with an administrator's key."""
    headers = {"Authorization": f"Bearer {admin_key}"}
    with TestClient(create_app(settings), headers=headers) as opened:
        yield opened


def plain_environment(**named: str) -> dict[str, str]:
    """The environment without any setting of ours but these."""
    return {k: v for k, v in os.environ.items() if not k.startswith("UNLEARND_")} | named


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Scikit-learn's digits in Parquet, and a network that knows some wrong labels by heart.

    Nobody may change what it points at.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    target = folder / "digits" / "data"
    command = [sys.executable, "-m", "workers.demo", "prepare", "--dataset", "digits", str(target)]
    # The first of several test processes makes them for all.
    with FileLock(folder / "digits.lock"):
        if not (target / "demo.json").exists():
            subprocess.run(command, check=True, env=plain_environment(UNLEARND_THREADS="1"))
    described: dict[str, Any] = json.loads((target / "demo.json").read_text(encoding="utf-8"))
    return described


@pytest.fixture(scope="session")
def memorised_digits(tmp_path_factory: pytest.TempPathFactory) -> "Digits":
    """Trained by the first of several test processes, for all. No test may change the network."""
    # Both import torch, which takes a second, and most tests of the service need nothing of it.
    from tests import numerics
    from tests.workers.memorised import memorised

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with numerics.threads(), FileLock(folder / "memorised.lock"):
        return memorised(weights=folder / "memorised.safetensors")
