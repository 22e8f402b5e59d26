"""`/v1/models/{name}/versions` and the files of a version."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import Model, ModelVersion, VersionState
from tests import factories
from tests.service.calls import fetched, pages, refused

PATH = "/v1/models/cnn/versions"
CONTENT = {"model.safetensors": bytes(range(256)) * 9, "sub/config.json": b"{}\n"}


def listed(path: str, content: bytes) -> dict[str, object]:
    return {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def stored(session: Session, settings: Settings, cnn: Model) -> ModelVersion:
    """Version 1, with its files in the store."""
    version = factories.head(session, cnn)
    version.files = [listed(path, content) for path, content in CONTENT.items()]
    manifest = b'{"files": []}'
    version.digest = hashlib.sha256(manifest).hexdigest()
    session.commit()
    directory = LocalStore(settings.storage_dir).directory("cnn", version.digest)
    for path, content in {**CONTENT, "manifest.json": manifest}.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (directory / "not-listed.txt").write_text("not for everybody")
    (settings.home_dir / "admin.key").write_text("the administrator's key")
    return version


def test_a_version_lists_its_files_and_where_to_get_them(
    client: TestClient, settings: Settings, stored: ModelVersion
) -> None:
    shown = fetched(client, f"{PATH}/1")

    assert (shown["version"], shown["state"], shown["parent"]) == (1, "published", None)
    assert shown["digest"] == stored.digest
    assert shown["uri"] == (settings.storage_dir / "models/cnn" / stored.digest).as_uri()
    assert shown["files"] == [
        {**listed(path, content), "href": f"{PATH}/1/files/{path}"}
        for path, content in CONTENT.items()
    ]


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("path", CONTENT)
def test_a_file_comes_byte_for_byte_with_its_digest(client: TestClient, path: str) -> None:
    answer = client.get(f"{PATH}/1/files/{path}")

    sha256 = hashlib.sha256(CONTENT[path])
    assert (answer.status_code, answer.content) == (200, CONTENT[path])
    assert answer.headers["etag"] == f'"{sha256.hexdigest()}"'
    encoded = base64.b64encode(sha256.digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{encoded}:"
    assert answer.headers["content-length"] == str(len(CONTENT[path]))


def test_the_manifest_is_a_file_too_and_its_tag_is_the_versions_digest(
    client: TestClient, stored: ModelVersion
) -> None:
    answer = client.get(f"{PATH}/1/files/manifest.json")

    assert hashlib.sha256(answer.content).hexdigest() == stored.digest
    assert answer.headers["etag"] == f'"{stored.digest}"'


@pytest.mark.usefixtures("stored")
def test_a_download_can_be_continued(client: TestClient) -> None:
    path = f"{PATH}/1/files/model.safetensors"

    answer = client.get(path, headers={"Range": "bytes=100-"})

    assert answer.status_code == 206
    assert answer.content == CONTENT["model.safetensors"][100:]


@pytest.mark.usefixtures("stored")
def test_a_file_that_the_caller_has_is_not_sent_again(client: TestClient) -> None:
    path = f"{PATH}/1/files/model.safetensors"
    tag = client.get(path).headers["etag"]

    for known in (tag, f'"other", {tag}', "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "path",
    [
        "not-listed.txt",
        "sub",
        "sub/",
        "",
        "sub/config.jsonx",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/admin.key",
        "..%2f..%2f..%2f..%2fadmin.key",
        "sub/%2e%2e/model.safetensors",
        "./model.safetensors",
        "%2e/model.safetensors",
        "/model.safetensors",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "%2e%2e%5c%2e%2e%5cadmin.key",
        "model.safetensors%00.txt",
    ],
)
def test_no_path_leads_out_of_the_manifest(client: TestClient, path: str) -> None:
    answer = client.get(f"{PATH}/1/files/{path}")

    assert answer.status_code in (404, 422) or answer.content == CONTENT["model.safetensors"]
    if answer.status_code == 200:  # httpx tidied `./` away before it asked
        assert str(answer.request.url).endswith(f"{PATH}/1/files/model.safetensors")
    else:
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_destroyed_versions_files_are_gone(
    client: TestClient, session: Session, stored: ModelVersion
) -> None:
    stored.move_to(VersionState.SUPERSEDED)
    stored.move_to(VersionState.DESTROYED)
    stored.destroyed_at = datetime.now(UTC)
    session.commit()

    refused(client.get(f"{PATH}/1/files/model.safetensors"), 410, "gone")
    refused(client.get(f"{PATH}/1/files/nothing"), 404, "file-not-found")
    assert fetched(client, f"{PATH}/1")["state"] == "destroyed"


@pytest.mark.usefixtures("cnn")
def test_an_unknown_version_is_not_found(client: TestClient) -> None:
    refused(client.get(f"{PATH}/2"), 404, "version-not-found")
    refused(client.get(f"{PATH}/2/files/model.safetensors"), 404, "version-not-found")


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "99999999999999999999"])
def test_a_versions_number_is_a_positive_integer(client: TestClient, number: str) -> None:
    refused(client.get(f"{PATH}/{number}"), 422, "validation")


def test_versions_are_listed_over_several_pages_with_their_parents(
    client: TestClient, session: Session, cnn: Model
) -> None:
    for tv in (1, 2):
        factories.publish(session, cnn, tv=tv)

    first, second = pages(client, PATH, limit=2)

    shown = [*first, *second]
    assert [item["version"] for item in shown] == [1, 2, 3]
    assert [item["parent"] for item in shown] == [None, 1, 2]
    assert [item["parent_digest"] for item in shown[1:]] == [item["digest"] for item in shown[:2]]
    assert [item["state"] for item in shown] == ["superseded", "superseded", "published"]
    assert [item["tv"] for item in shown] == [0, 1, 2]


def test_a_model_without_a_version_lists_none(
    client: TestClient, session: Session, cnn: Model
) -> None:
    factories.unpublish(session, cnn)

    assert fetched(client, PATH) == {"items": [], "next_cursor": None}
    assert fetched(client, "/v1/models/cnn")["version"] is None


def test_the_store_has_no_say_in_what_is_listed(
    client: TestClient, settings: Settings, stored: ModelVersion
) -> None:
    assert Path(settings.storage_dir, "models/cnn", stored.digest, "not-listed.txt").exists()
    paths = [item["path"] for item in fetched(client, f"{PATH}/1")["files"]]
    assert paths == list(CONTENT)
