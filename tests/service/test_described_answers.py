"""OpenAPI names every answer that is given, and the form of every refusal."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.tables import Model
from tests import factories
from tests.service.calls import REQUESTS, post_request, refused

ALWAYS = {"400", "405", "408", "413", "422", "431", "500", "501", "503"}
PROBLEM = "application/problem+json"


@pytest.fixture
def described(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def test_every_operation_says_what_may_be_answered_to_anything(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            expected = ALWAYS | ({"401"} if path.startswith("/v1/") else set())
            assert expected <= set(answers), (method, path)
            for status, answer in answers.items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [PROBLEM], (method, path, status)
                    assert answer["description"].startswith("`/problems/"), (method, path, status)
            assert "Allow" in answers["405"]["headers"]
            assert "Retry-After" in answers["503"]["headers"]


def test_refusals_have_the_form_that_is_described(
    client: TestClient, described: dict[str, Any]
) -> None:
    schemas = described["components"]["schemas"]
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    form = {"$ref": "#/components/schemas/FormProblem", "components": described["components"]}
    check = Draft202012Validator(form)

    for answer in (post_request(client, [""] * 3), client.get(REQUESTS, params={"limt": 1})):
        problem = refused(answer, 422, "validation")
        check.validate(problem)
        assert problem["errors"]
    check.validate(refused(client.get("/v1/models/x"), 404, "model-not-found"))
    assert not check.is_valid({"type": "x"})


@pytest.fixture
def file_of(client: TestClient, session: Session, settings: Settings, cnn: Model) -> str:
    """The path of a file of ten bytes."""
    version = factories.head(session, cnn)
    version.files = [{"path": "config.json", "bytes": 10, "sha256": "0" * 64}]
    session.commit()
    folder = Path(settings.storage_dir) / "models" / cnn.name / version.digest
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("0123456789")
    path = f"/v1/models/{cnn.name}/versions/1/files/config.json"
    assert client.get(path).text == "0123456789"
    return path


def test_a_part_of_a_file_is_given_or_refused_as_a_problem(
    client: TestClient, file_of: str, described: dict[str, Any]
) -> None:
    def part(of: str) -> Any:
        return client.get(file_of, headers={"Range": of})

    assert (part("bytes=2-4").status_code, part("bytes=2-4").text) == (206, "234")
    beyond = part("bytes=20-30")
    refused(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == "bytes */10"
    refused(part("bytes=4-2"), 400, "bad-request")
    path = "/v1/models/{name}/versions/{number}/files/{path}"
    assert {"200", "206", "304", "416"} <= set(described["paths"][path]["get"]["responses"])
