"""A model in the Hugging Face layout over encoded images, as its users see it."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from transformers import AutoModelForImageClassification

from tests.e2e.conftest import Service
from tests.workers.pretrained.parents import make_parent

pytestmark = pytest.mark.e2e


def test_an_image_classifier_is_unlearned_and_pulled_by_from_pretrained(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    parent = make_parent("resnet", tmp_path / "made")
    register(service, parent.data.files[0].uri, parent.data.holdout_files[0].uri)
    service.post("/v1/models", model("scans", parent.directory.as_uri()))
    service.becomes_ready("/v1/models/scans")

    accepted = service.delete([f"train-{row}" for row in range(0, 400, 20)], "scans")
    completed = service.completes(accepted["id"])

    (answer,) = completed["versions"]
    version = service.get(answer["href"])
    assert (version["version"], version["state"]) == (2, "published")
    folder = Path(unquote(urlsplit(version["uri"]).path))
    published = AutoModelForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        before, after = (net(**parent.held_out).logits for net in (parent.network, published))
    assert not torch.equal(before, after)
    assert (before.argmax(1) == after.argmax(1)).double().mean() > 0.9
    card = service.http.get("/v1/models/scans/versions/2/files/README.md").text
    assert "library_name: transformers" in card


def register(service: Service, train: str, holdout: str) -> None:
    dataset = {
        "name": "scans",
        "uri": train,
        "holdout_uri": holdout,
        "id_column": "sample_id",
        "inputs": [{"column": "scan", "kind": "image"}],
    }
    service.post("/v1/datasets", dataset)
    service.becomes_ready("/v1/datasets/scans")


def model(name: str, uri: str) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": "scans",
        "source_uri": uri,
        "architecture": {"kind": "transformers"},
        "method": "redirect",
    }
