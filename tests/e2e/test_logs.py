"""The log of a whole run: one JSON object a line, but for the two lines that people wait for."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Service

pytestmark = pytest.mark.e2e


def test_every_line_of_a_whole_run_is_one_json_object(
    service: Service, digits: dict[str, Any]
) -> None:
    service.register(digits)
    misfit = {
        "name": "misfit",
        "dataset": "digits",
        "source_uri": digits["model"],
        "architecture": {"kind": "module", "factory": "workers.zoo:fashion_cnn"},
    }
    service.post("/v1/models", misfit)
    assert service.checked("/v1/models/misfit")["state"] == "invalid"
    service.completes(service.delete(digits["forget"])["id"])

    service.stop()

    lines = service.log.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if not line.startswith("{")]
    assert [line.split(" is ")[0] for line in told] == ["unlearnd", "The administrator's key"]
    logged = [json.loads(line) for line in lines if line not in told]
    assert {one["process"] for one in logged} == {"up", "api", "dispatcher", "worker", "runner"}
    (refused,) = [one for one in logged if one["event"] == "run refused"]
    assert "does not fit" in refused["reason"]
    assert "Traceback" in refused["exception"]
