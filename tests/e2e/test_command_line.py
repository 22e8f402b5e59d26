"""The `unlearnd` command, as its users type it."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from service.core.settings import FOLDERS_OF_A_HOME, IN_A_HOME
from tests.conftest import plain_environment
from tests.e2e.conftest import SLOW, Service, command_line, descendants, running

pytestmark = pytest.mark.e2e


def unlearnd(
    *args: str, home: Path, given: str | None = None, **named: str
) -> subprocess.CompletedProcess[str]:
    env = plain_environment(UNLEARND_HOME=str(home), COLUMNS="200", **named)
    command = [sys.executable, "-m", "service.cli", *args]
    return subprocess.run(command, env=env, input=given, capture_output=True, text=True)


def test_the_demo_runs_the_main_job_and_leaves_nothing_running(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    before = set(descendants(os.getpid()))

    done = unlearnd("demo", "--report", str(report), home=tmp_path / "home", UNLEARND_THREADS="1")

    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["status"], told["parent_version"], told["version"]) == ("completed", 1, 2)
    assert told["samples"] == told["dispositions"]["unlearned"] == 40
    assert told["seconds"]["request_to_published"] < told["seconds"]["total"]
    assert told["before"]["accuracy"]["forgotten"] > 0.9
    assert told["after"]["accuracy"]["forgotten"] < 0.3
    assert told["after"]["accuracy"]["test"] > told["before"]["accuracy"]["test"] - 0.02
    assert told["after"]["agreement"]["remaining"] >= 0.97
    version = tmp_path / "home" / "demo" / "storage" / "models" / "digits" / told["digest"]
    assert str(version) in done.stdout
    assert (version / "manifest.json").exists()
    kept = {path.name for path in (tmp_path / "home" / "demo").iterdir()}
    # What a service keeps in its home, beside what is registered, is what no URL may name.
    assert kept - {"data", ".unlearnd-demo"} <= {*IN_A_HOME, *FOLDERS_OF_A_HOME}
    left = [command_line(pid) for pid in set(descendants(os.getpid())) - before]
    assert [line for line in left if line] == []
    assert processes_of(tmp_path) == []


def processes_of(home: Path) -> list[str]:
    """Whoever mentions the home in a command line: servers are started with paths in it."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [line for line in map(command_line, pids) if str(home) in line]


def test_a_folder_that_no_demo_made_is_not_wiped(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.tex").write_text("years of work")

    done = unlearnd("demo", home=tmp_path)

    assert done.returncode == 1
    assert "was not made by `unlearnd demo`" in done.stderr
    assert (tmp_path / "demo" / "thesis.tex").exists()


def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = unlearnd("up", home=tmp_path, UNLEARND_PORT=str(port))

    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
    assert "set UNLEARND_PORT" in done.stderr


def test_options_of_up_come_before_the_environment(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        home = tmp_path / "given"
        options = ("--home", str(home), "--host", "127.0.0.1", "--port", port)
        done = unlearnd("up", *options, home=tmp_path / "other", UNLEARND_PORT="1")

    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
    assert not (tmp_path / "other").exists()


def test_commands_without_a_service_say_how_to_get_one(tmp_path: Path) -> None:
    for command in (["migrate"], ["keys", "list"], ["dispatcher"], ["worker"], ["api"]):
        done = unlearnd(*command, home=tmp_path)
        assert done.returncode == 1
        assert "start `unlearnd up`" in done.stderr
    done = unlearnd("requests", "list", home=tmp_path)
    assert "UNLEARND_API_KEY" in done.stderr


def test_resources_keys_and_requests_from_a_shell(
    service: Service, digits: dict[str, Any], tmp_path: Path
) -> None:
    home = service.settings.home_dir
    mode = stat.S_IMODE(service.settings.admin_key_file.stat().st_mode)
    assert mode == 0o600
    assert stat.S_IMODE((home / "run.json").stat().st_mode) == 0o600

    again = unlearnd("up", home=home, UNLEARND_PORT="1")
    assert again.returncode == 1
    assert "runs on this home already" in again.stderr

    body = tmp_path / "dataset.json"
    pixels = {"column": "nonesuch", "kind": "array", "shape": [1, 8, 8]}
    dataset = {"name": "d", "uri": digits["train"], "id_column": "sample_id", "inputs": [pixels]}
    body.write_text(json.dumps(dataset))
    wrong = unlearnd("datasets", "register", str(body), home=home)
    assert (wrong.returncode, "has no column nonesuch" in wrong.stderr) == (1, True)
    pixels["column"] = "pixels"
    body.write_text(json.dumps(dataset))
    right = unlearnd("datasets", "register", str(body), home=home)
    assert (right.returncode, json.loads(right.stdout)["rows"]) == (0, 1197)
    assert "1197" in unlearnd("datasets", "list", home=home).stdout

    asked = unlearnd("requests", "create", "--dataset", "d", home=home, given="unknown-id\n")
    request = json.loads(asked.stdout)
    assert request["counts"]["not_found"] == 1
    watched = unlearnd("requests", "watch", request["id"], home=home)
    assert (watched.returncode, json.loads(watched.stdout)["status"]) == (0, "completed")

    key = unlearnd("keys", "create", "ci", home=home).stdout.strip()
    assert re.fullmatch(r"ul_live_\w{8}_\w{32}_[0-9a-f]{8}", key)
    listed = unlearnd("keys", "list", home=home).stdout
    assert "ci" in listed
    assert key.split("_")[3] not in listed
    own = {"UNLEARND_API_KEY": key}
    assert unlearnd("jobs", "list", home=home, **own).returncode == 0
    assert unlearnd("keys", "revoke", key.split("_")[2], home=home).returncode == 0
    refused = unlearnd("jobs", "list", home=home, **own)
    assert (refused.returncode, "A valid API key is needed" in refused.stderr) == (1, True)


def test_up_ends_at_once_while_a_job_runs_and_the_job_goes_on_after_a_new_start(
    service: Service, digits: dict[str, Any]
) -> None:
    service.register(digits, method=SLOW)
    accepted = service.delete(digits["forget"])
    service.job_in_phase("unlearning")

    started = time.monotonic()
    service.stop()
    assert time.monotonic() - started < 20

    assert processes_of(service.settings.home_dir) == []

    with running(service.settings, service.log) as again:
        completed = again.completes(accepted["id"])
        # The attempt that was given back does not count.
        assert [job["attempt"] for job in completed["jobs"]] == [1]
        assert again.went_on()
