"""`unlearnd requests upload`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import plain_environment
from tests.service.cli.running import complaint, unlearnd
from tests.service.serving import Served


def upload(
    served: Served, home: Path, *args: str, given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    env = plain_environment(
        UNLEARND_HOME=str(home), UNLEARND_URL=served.url, UNLEARND_API_KEY=served.key
    )
    command = [sys.executable, "-m", "service.cli", "requests", "upload", *args]
    done = subprocess.run(command, env=env, input=given, capture_output=True, timeout=90)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@pytest.mark.usefixtures("cnn")
def test_a_file_or_standard_input_is_sent_as_it_is(served: Served, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_bytes(b"s-1\r\ns-2\r\nnobody\r\n")
    named = (
        "--dataset",
        "digits",
        "--key",
        "a",
        "--regulation",
        "ccpa",
        "--client-reference",
        "t7",
    )

    done = upload(served, tmp_path, str(ids), *named)
    again = upload(served, tmp_path, "-", *named, given=b"s-1\ns-2\nnobody")

    assert done.returncode == again.returncode == 0, done.stderr + again.stderr
    shown = json.loads(done.stdout)
    assert (shown["counts"]["staged"], shown["counts"]["not_found"]) == (2, 1)
    assert (shown["regulation"], shown["client_reference"]) == ("ccpa", "t7")
    assert json.loads(again.stdout) == shown
    refused = complaint(upload(served, tmp_path, "-", *named[:2], given=b"s-1\n\ns-2\n"))
    assert "Line 2 is empty" in refused


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = unlearnd(
        *("requests", "upload", str(tmp_path / "none.txt"), "--dataset", "d"),
        home=tmp_path,
        UNLEARND_API_KEY="ul_live_x",
    )

    assert "none.txt cannot be read: No such file or directory." in complaint(done)
