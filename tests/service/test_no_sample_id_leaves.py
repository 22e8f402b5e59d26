"""Promise: no sample ID in a log line, of ours or of the embedded PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.settings import Settings
from tests import factories
from tests.conftest import GIVEN
from tests.service.calls import REQUESTS

SECRET = "sid-SECRET"
PATIENCE_SECONDS = 30.0
NO_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not today, %', NEW.sample_id; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON tombstones
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""
# A unique constraint that every second ID of one request breaks; PostgreSQL quotes the ID.
UNIQUE = "CREATE UNIQUE INDEX broken ON deletion_request_samples (left(sample_id, 10))"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(settings: Settings, log: Path) -> Iterator[str]:
    """`unlearnd api` in a process of its own, with all that it prints in `log`."""
    port = free_port()
    environment = {
        **os.environ,
        "UNLEARND_HOME": str(settings.home_dir),
        "UNLEARND_DATABASE_URL": settings.database_url or "",
        "UNLEARND_REDIS_URL": settings.redis_url or "",
        "UNLEARND_PORT": str(port),
        "UNLEARND_LOG_LEVEL": "DEBUG",
    }
    command = [sys.executable, "-m", "service.cli", "api"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not answers(url):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/livez", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def postgres_logs(home: Path) -> str:
    """What the embedded PostgreSQL of this test run has logged so far; empty with another one."""
    found = home.glob("log/postgres.log")
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in found)


@pytest.mark.usefixtures("cnn")
def test_no_sample_id_is_in_any_log(
    settings: Settings, admin_key: str, session: Session, servers_home: Path, tmp_path: Path
) -> None:
    known = [f"{SECRET}-{n}" for n in range(6)]
    factories.samples(session, known)
    log = tmp_path / "api.log"
    headers = {"Authorization": f"Bearer {admin_key}"}

    with (
        served(settings, log) as url,
        httpx2.Client(base_url=url, headers=headers, trust_env=False) as http,
    ):

        def post(sample_ids: Any, **more: Any) -> httpx2.Response:
            body = {"dataset": "digits", "sample_ids": sample_ids, **more}
            return http.post(REQUESTS, json=body)

        accepted = post([known[0], known[1], known[0], f"{SECRET}-unknown"])
        assert accepted.status_code == 202
        for path in ("", "/samples", "/events"):
            assert http.get(f"{REQUESTS}/{accepted.json()['id']}{path}").status_code == 200
        assert SECRET in http.get("/v1/datasets/digits/tombstones").text
        # Refused, in every way that has the ID in hand.
        assert post([f"{SECRET}\x00"]).status_code == 422
        assert post([SECRET * 30]).status_code == 422
        assert post({SECRET: SECRET}).status_code == 422
        assert post([known[2]], **{SECRET: SECRET}).status_code == 422
        broken = f'{{"dataset": "digits", "sample_ids": ["{SECRET}'
        assert http.post(REQUESTS, content=broken).status_code == 422
        # A constraint and a commit that fail, with the ID in PostgreSQL's own words.
        session.execute(text(NO_COMMIT))
        session.commit()
        assert post([known[3]]).status_code == 500
        session.execute(text("DROP TRIGGER refuse ON tombstones"))
        session.execute(text("DELETE FROM deletion_request_samples"))
        session.execute(text(UNIQUE))
        session.commit()
        assert post([known[4], known[5]]).status_code == 500

    written = log.read_text(encoding="utf-8")
    assert written.count(REQUESTS) > 10  # It does log.
    assert '"sqlstate": "23505"' in written
    assert '"sqlstate": "P0001"' in written
    assert SECRET not in written
    server_logs = postgres_logs(servers_home)
    assert server_logs or GIVEN
    assert SECRET not in server_logs
