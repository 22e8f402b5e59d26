"""The access log of a real server names routes, and nothing that a caller wrote into a path."""

import json
from http.client import HTTPConnection

import pytest
import uvicorn
from fastapi.testclient import TestClient

from service.core.settings import Settings
from service.main import create_app
from tests.service.loopback import on_loopback

ASKED = {
    "/v1/datasets/patient-4711": "/v1/datasets/{name}",
    "/v1/datasets/patient%204711/tombstones?q=patient-4711": "/v1/datasets/{name}/tombstones",
    "/v1/models/patient-4711/versions/3/files/patient/4711": (
        "/v1/models/{name}/versions/{number}/files/{path}"
    ),
    "/v1/models/patient-4711/versions/3:approve": "/v1/models/{name}/versions/{number}:approve",
    "/v1/patient-4711": "(no route)",
    "/patient-4711?x=patient-4711": "(no route)",
    "/v1/datasets/a/patient-4711": "(no route)",
    "/livez?sample=patient-4711": "/livez",
    "/docs": "/docs",
}


def test_lines_name_routes_and_no_paths(
    settings: Settings, admin_key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    # With its lifespan: it closes what it has opened.
    config = uvicorn.Config(create_app(settings), log_config=None, lifespan="on")
    with on_loopback(config) as port:
        headers = {"Authorization": f"Bearer {admin_key}"}
        caller = HTTPConnection("127.0.0.1", port, timeout=30)
        for path in ASKED:
            caller.request("GET", path, headers=headers)
            caller.getresponse().read()
        caller.close()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [line["event"] for line in lines if line["logger"] == "uvicorn.access"]

    assert [line.split('"')[1] for line in told] == [
        f"GET {pattern} HTTP/1.1" for pattern in ASKED.values()
    ]
    assert "4711" not in json.dumps(lines)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/livez", "/readyz"])
def test_what_lies_outside_of_v1_takes_no_query(settings: Settings, path: str) -> None:
    with TestClient(create_app(settings)) as caller:
        assert caller.get(path).status_code == 200
        refused = caller.get(path, params={"verbose": "1"})

    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/validation"
