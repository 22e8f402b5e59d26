"""The largest bodies that are accepted, and how larger ones are refused, by a real server."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.core.settings import Settings
from service.deletion_requests.schemas import MAX_SAMPLES
from tests.service.calls import REQUESTS
from tests.service.serving import Served, serving

MIB = 1024 * 1024


def largest(salt: int = 0) -> bytes:
    """10,000 IDs of 255 characters, each of them 12 bytes of JSON."""
    ids = [f"{chr(0x1F600 + salt)}{n:05}".ljust(255, "\U0001f4a5") for n in range(MAX_SAMPLES)]
    return json.dumps({"dataset": "digits", "sample_ids": ids}).encode()


def post(served: Served, body: bytes) -> tuple[int, bytes]:
    """As urllib does it: the whole body is sent before anything is read."""
    headers = served.headers | {"Content-Type": "application/json"}
    request = urllib.request.Request(served.url + REQUESTS, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.usefixtures("cnn")
def test_the_largest_request_that_is_documented_is_accepted(served: Served) -> None:
    body = largest()
    assert 30_000_000 < len(body) < Settings().max_body_bytes

    status, shown = post(served, body)

    assert status == 202, shown
    assert json.loads(shown)["counts"]["not_found"] == MAX_SAMPLES
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{served.pid}/status").read_text())
    assert found is not None
    assert int(found[1]) < 400 * 1024


@pytest.fixture
def narrow(settings: Settings, admin_key: str, tmp_path: Path) -> Iterator[Served]:
    """The API with room for bodies of 1 MiB."""
    limit = {"UNLEARND_MAX_BODY_BYTES": str(MIB)}
    with serving(settings, admin_key, tmp_path / "api.log", **limit) as process:
        yield process


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize("size", [MIB + 1, 5 * MIB, 40 * MIB])
def test_a_caller_who_sends_everything_before_reading_gets_the_refusal(
    narrow: Served, size: int
) -> None:
    status, problem = post(narrow, b" " * size)

    assert status == 413
    assert json.loads(problem)["type"] == "/problems/body-too-large"
    assert narrow.call("GET", "/v1/datasets")[0] == 200
