"""Warnings and errors that nobody handles are lines of the log like any other."""

import json
import subprocess
import sys

import pytest

SET_UP = """
import sys, threading, warnings
from service.core.logging import configure_logging, log_what_nobody_handles
configure_logging("INFO", process="test")
log_what_nobody_handles()
"""


@pytest.mark.parametrize(
    ("code", "event", "status"),
    [
        ("raise ValueError('two\\nlines')", "unhandled error", 1),
        ("warnings.warn('two\\nlines')", "two\nlines", 0),
        ("t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "in a thread", 0),
    ],
)
def test_what_nobody_handles_is_one_json_object_on_one_line(
    code: str, event: str, status: int
) -> None:
    done = subprocess.run([sys.executable, "-c", SET_UP + code], capture_output=True, text=True)

    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert event in told["event"]
    assert told["process"] == "test"
    assert done.returncode == status
