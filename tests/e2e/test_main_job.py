"""The main job, as its users see it."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ANYWHERE
from tests.e2e.conftest import CALM_SECONDS, Service, command_line
from tests.waiting import wait_until
from workers.zoo import digits_cnn

pytestmark = pytest.mark.e2e


def test_a_deletion_request_becomes_a_published_version(
    service: Service, digits: dict[str, Any]
) -> None:
    service.register(digits)
    known = digits["forget"]

    accepted = service.delete([*known, "unknown-sample", known[0]])

    assert accepted["status"] == "staged"
    assert accepted["counts"]["staged"] == len(known)
    # The tombstones are there before any GPU is free.
    assert tombstones(service) == dict.fromkeys(known, 1)

    completed = service.completes(accepted["id"])
    counts = completed["counts"]
    assert (counts["unlearned"], counts["not_found"], counts["duplicate"]) == (len(known), 1, 1)
    assert counts["total"] == len(known) + 2
    (answer,) = completed["versions"]
    version = service.get(answer["href"])
    assert (version["version"], version["parent"], version["tv"]) == (2, 1, 1)
    assert version["state"] == "published"
    assert service.get("/v1/models/digits/versions/1")["state"] == "superseded"
    assert service.get("/v1/models/digits/aliases/champion")["version"] == 2
    kinds = [event["kind"] for event in service.get(completed["links"]["events"])["items"]]
    assert kinds[0] == "request.accepted"
    assert set(kinds) >= {"job.queued", "job.started", "job.published", "request.completed"}

    (job,) = service.get("/v1/jobs", model="digits")["items"]
    reached = version["audit"]["level"]
    assert (job["target_level"], job["level"]) == ("membership", reached)
    assert version["audit"]["target_level"] == "membership"
    check_files(service, version)
    check_that_it_loads_and_forgot(service, digits)
    check_that_no_process_but_a_run_has_torch(service)
    scratch = service.settings.scratch_dir
    assert [path.name for path in scratch.iterdir() if path.is_dir()] == []
    assert list((service.settings.storage_dir / ".staging").iterdir()) == []

    check_that_a_late_model_catches_up(service, digits, accepted["id"])
    check_that_a_misfit_is_refused(service, digits)
    service.stop()
    written = service.log.read_text(encoding="utf-8")
    check_that_every_line_is_an_object(written)
    for sample_id in [*known, "unknown-sample"]:
        assert sample_id not in written


def tombstones(service: Service, since: int = 0) -> dict[str, int]:
    answer = service.http.get("/v1/datasets/digits/tombstones", params={"since": since})
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return {row["sample_id"]: row["tv"] for row in rows}


def check_files(service: Service, version: dict[str, Any]) -> None:
    """What is served, what lies on disk, and what the manifest says are the same bytes."""
    folder = Path(unquote(urlsplit(version["uri"]).path))
    manifest = service.http.get(
        f"/v1/models/digits/versions/{version['version']}/files/manifest.json"
    )
    assert hashlib.sha256(manifest.content).hexdigest() == version["digest"] == folder.name
    listed = {entry["path"]: entry["sha256"] for entry in manifest.json()["files"]}
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*listed, "manifest.json"}
    assert set(listed) >= {"model.safetensors", "config.json", "README.md", "unlearning.json"}
    for file in version["files"]:
        served = service.http.get(file["href"]).content
        assert hashlib.sha256(served).hexdigest() == file["sha256"] == listed[file["path"]]
        assert served == (folder / file["path"]).read_bytes()
    provenance = json.loads((folder / "unlearning.json").read_text(encoding="utf-8"))
    assert provenance["forgotten"]["count"] == 40
    assert len(provenance["forgotten"]["commitment"]) == 64
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: unlearnd\n")
    assert "base_model" not in card
    assert f"(asked for membership, reached {version['audit']['level']})" in card
    assert "erased from the weights: no measurement can show that" in card


def check_that_it_loads_and_forgot(service: Service, digits: dict[str, Any]) -> None:
    data = Path(urlsplit(digits["model"]).path).parent
    import numpy as np

    report = np.load(data / "report.npz")
    wrong = torch.from_numpy(report["forgotten"])
    inputs = torch.from_numpy(report["train_images"].astype("float32")) * digits["scale"]
    labels = torch.from_numpy(report["train_labels"])
    accuracy = {}
    for number in (1, 2):
        folder = Path(urlsplit(service.get(f"/v1/models/digits/versions/{number}")["uri"]).path)
        model = digits_cnn()
        model.load_state_dict(load_file(folder / "model.safetensors"))
        with torch.no_grad():
            right = model.eval()(inputs).argmax(1) == labels
        accuracy[number] = right[wrong].double().mean().item()
    assert accuracy[1] > 0.9
    assert accuracy[2] < 0.3


def check_that_no_process_but_a_run_has_torch(service: Service) -> None:
    """Promise: the API never imports torch. Nor do the dispatcher and the supervisors."""
    looked_at = []
    for pid in service.pids("python"):
        if "workers.runner" not in command_line(pid):
            looked_at.append(command_line(pid))
            assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    assert any("cli api" in line for line in looked_at)
    assert any("-Q gpu" in line for line in looked_at)


def check_that_a_late_model_catches_up(
    service: Service, digits: dict[str, Any], request_id: str
) -> None:
    service.register_model(digits, "late", dataset="digits")

    wait_until(lambda: service.get("/v1/models/late")["tv"] == 1, every=CALM_SECONDS)
    ended = service.request(request_id)
    assert ended["status"] == "completed"
    assert {version["model"] for version in ended["versions"]} == {"digits", "late"}
    assert sorted((job["model"], job["attempt"]) for job in ended["jobs"]) == [
        ("digits", 1),
        ("late", 1),
    ]
    for name in ("digits", "late"):
        assert len(service.get(f"/v1/models/{name}/versions")["items"]) == 2


def check_that_a_misfit_is_refused(service: Service, digits: dict[str, Any]) -> None:
    misfit = {
        "name": "misfit",
        "dataset": "digits",
        "source_uri": digits["model"],
        "architecture": {"kind": "module", "factory": "workers.zoo:fashion_cnn"},
    }
    service.post("/v1/models", misfit)
    assert service.checked("/v1/models/misfit")["state"] == "invalid"


def check_that_every_line_is_an_object(written: str) -> None:
    """The log is JSON, but for the two lines that people wait for."""
    lines = written.splitlines()
    told = [line for line in lines if not line.startswith("{")]
    below = ANYWHERE.replace(",", ", ")
    assert [line.split(" is ")[0] for line in told] == [
        "unlearnd",
        f"Datasets and models are opened below {below} only; UNLEARND_SOURCES changes that.",
        "The administrator's key",
    ]
    logged = [json.loads(line) for line in lines if line not in told]
    assert {one["process"] for one in logged} == {"up", "api", "dispatcher", "worker", "runner"}
    assert any(one["event"] == "job ended" for one in logged)
    (refused,) = [one for one in logged if one["event"] == "run refused"]
    assert "does not fit" in refused["reason"]
    # Where it came up, with the words of our own error and without those of libraries.
    assert "workers/runner/validate.py:" in refused["exception"]
    assert "does not fit" in refused["exception"].splitlines()[-1]
    assert "Traceback" not in refused["exception"]


def test_overlapping_requests_from_many_connections_lose_and_double_nothing(
    service: Service, digits: dict[str, Any]
) -> None:
    # A student would begin anew, and be no edit of an edit.
    service.register(digits, method={"method": "redirect"})
    known = digits["forget"]
    bodies = [known[start : start + 12] for start in range(0, 36, 4)]

    def post(sample_ids: list[str]) -> dict[str, Any]:
        with httpx2.Client(
            base_url=service.http.base_url, headers=service.http.headers, trust_env=False
        ) as http:
            body = {"dataset": "digits", "sample_ids": sample_ids}
            answer = http.post("/v1/deletion-requests", json=body)
            assert answer.status_code == 202
            accepted: dict[str, Any] = answer.json()
            return accepted

    with ThreadPoolExecutor(len(bodies)) as pool:
        accepted = list(pool.map(post, bodies))

    ended = [service.completes(request["id"]) for request in accepted]
    distinct = {sample_id for body in bodies for sample_id in body}
    assert sum(request["counts"]["unlearned"] for request in ended) == len(distinct)
    given = sum(len(body) for body in bodies)
    already = sum(request["counts"]["already_deleted"] for request in ended)
    assert already == given - len(distinct)
    assert set(tombstones(service)) == distinct

    versions = service.get("/v1/models/digits/versions")["items"]
    forgotten = 0
    for version in versions[1:]:
        path = f"/v1/models/digits/versions/{version['version']}/files/unlearning.json"
        told = service.http.get(path).json()
        forgotten += told["forgotten"]["count"]
        # An edit of an edit is held to what the first one was an edit of.
        assert told["edit_of"]["version"] == 1
    assert forgotten == len(distinct)
    assert versions[-1]["tv"] == max(request["tv"] for request in ended)
