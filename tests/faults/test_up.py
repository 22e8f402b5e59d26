"""Drills: `unlearnd up` whose own PostgreSQL and Redis die."""

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import DeletionRequest
from service.embedded.server import free_port
from tests.e2e.conftest import Service, command_line, running
from tests.faults.invariants import check_invariants
from tests.faults.load import Caller
from tests.faults.processes import Running
from tests.faults.rows import OPEN, PATIENCE_SECONDS
from tests.faults.stack import API
from tests.waiting import wait_until

pytestmark = pytest.mark.faults

PROGRAMS = {"postgres": "postgres", "redis": "valkey-server"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Service]:
    """`unlearnd up` with servers of its own."""
    settings = Settings(home=tmp_path / "home", port=free_port(), database_url=None, redis_url=None)
    with running(settings, tmp_path / "up.log") as started:
        yield started


def pid_of(up: Service, server: str) -> int | None:
    """The server's own process: a direct child of `unlearnd up`."""
    for task in Path(f"/proc/{up.process.pid}/task").glob("*/children"):
        for child in task.read_text(encoding="utf-8").split():
            program = command_line(int(child)).partition(" ")[0]
            if program.rpartition("/")[2] == PROGRAMS[server]:
                return int(child)
    return None


def kill(up: Service, server: str) -> int:
    pid = pid_of(up, server)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def is_back(up: Service, server: str, former: int) -> bool:
    return pid_of(up, server) not in (None, former)


def says(up: Service) -> str:
    return up.log.read_text(encoding="utf-8")


def test_servers_of_up_that_are_killed_under_load_come_back_and_lose_nothing(
    up: Service, digits: dict[str, Any]
) -> None:
    up.register(digits)
    folder = Path(digits["train"].removeprefix("file://").removesuffix("/*.parquet"))
    sample_ids = pq.read_table(folder / "part-0.parquet")["sample_id"].to_pylist()
    # So few that they stay under the share that may be deleted.
    with Caller(API(Running(up.process, up.log), up.http), sample_ids[:300]) as caller:
        caller.has_accepted(3, patience=60)
        for server in ("postgres", "redis"):
            former = kill(up, server)
            wait_until(partial(is_back, up, server, former), every=0.05, patience=30)
            caller.has_accepted(caller.count + 2, patience=60)
        for server in ("redis", "postgres"):
            kill(up, server)
        caller.has_accepted(caller.count + 2, patience=60)

    assert caller.statuses() <= {0, 202, 503}
    assert up.http.get("/readyz").status_code == 200
    told = json.loads((up.settings.home_dir / "run.json").read_text(encoding="utf-8"))
    database = Database(told["database_url"], pool_size=2, application="drill", actor="system")
    try:
        wait_until(lambda: nothing_is_open(database), every=0.3, patience=2 * PATIENCE_SECONDS)
        with database.unit_of_work() as session:
            stored = list(session.scalars(select(DeletionRequest.id)))
        assert sorted(stored) == sorted(caller.accepted)
        check_invariants(database, up.settings.storage_dir, max_attempts=up.settings.max_attempts)
    finally:
        database.dispose()
    assert says(up).count("server restarted") == 4
    up.stop()


def nothing_is_open(database: Database) -> bool:
    with database.unit_of_work() as session:
        waiting = select(func.count()).where(DeletionRequest.state.in_(OPEN))
        return session.scalars(waiting).one() == 0


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_an_up_whose_server_dies_again_and_again_ends_with_one_line(
    up: Service, server: str
) -> None:
    began = time.monotonic()
    while up.process.poll() is None and time.monotonic() - began < PATIENCE_SECONDS:
        pid = pid_of(up, server)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)

    assert up.process.wait(60) == 1
    last = [line for line in says(up).splitlines() if not line.startswith("{")][-1]
    assert "ended 5 times within 120 s (last: killed by signal 9" in last
    assert "Traceback" not in says(up)
    assert pid_of(up, "postgres") is pid_of(up, "redis") is None


def test_an_up_that_is_told_to_stop_while_its_server_is_away_stops(up: Service) -> None:
    for server in ("postgres", "redis"):
        kill(up, server)

    began = time.monotonic()
    up.stop()

    assert time.monotonic() - began < 30
