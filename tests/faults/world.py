"""Registering what the drills run on."""

from typing import Any

from tests.faults.rows import PATIENCE_SECONDS
from tests.faults.stack import Stack
from tests.waiting import wait_until

# A few steps are enough: the drills ask whether a version is published, not how good it is.
PARAMETERS = {"max_steps": 4, "check_every": 2, "settle": 1}


def register(stack: Stack, digits: dict[str, Any]) -> None:
    """Register dataset and model as a caller does, and wait until both are ready."""
    stack.dispatcher()
    stack.worker("cpu")
    http = stack.api().http
    pixels = {
        "column": "pixels",
        "kind": "array",
        "shape": digits["shape"],
        "scale": digits["scale"],
    }
    half = digits["train"].replace("*.parquet", "part-0.parquet")
    dataset = {
        "name": "digits",
        "uri": half,
        "holdout_uri": digits["holdout"],
        "id_column": "sample_id",
        "label_column": "label",
        "inputs": [pixels],
    }
    assert http.post("/v1/datasets", json=dataset).status_code == 202
    becomes_ready(stack, "/v1/datasets/digits")
    add_model(stack, http, digits["model"], "digits")


def add_model(stack: Stack, http: Any, source_uri: str, name: str) -> None:
    model = {
        "name": name,
        "dataset": "digits",
        "source_uri": source_uri,
        "method": "redirect",
        "method_parameters": PARAMETERS,
        "architecture": {"kind": "module", "factory": "tests.faults.networks:digits"},
        "policy": {"min_agreement": 0.5, "max_fraction": 0.9},
    }
    answer = http.post("/v1/models", json=model)
    assert answer.status_code == 202, answer.text
    becomes_ready(stack, f"/v1/models/{name}")


def becomes_ready(stack: Stack, path: str) -> None:
    http = stack.clients[0]

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = http.get(path).json()
        return found if found["state"] in ("ready", "invalid") else None

    checked = wait_until(look, patience=PATIENCE_SECONDS)
    assert checked["state"] == "ready", checked["reason"]
