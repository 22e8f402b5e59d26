"""What goes wrong in a run is told: files that cannot be read, numbers without a kernel."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

from service.core.storage import PROVENANCE
from tests.workers.runner.plans import run
from workers.plan import Architecture, Unlearned, UnlearnPlan, ValidatePlan
from workers.supervision import RunFailedError
from workers.unlearning.precision import best_precision


def make_unreadable(path: Path) -> None:
    """A link to itself, which the kernel answers with an error that is not about the file."""
    path.symlink_to(path.name)


def test_a_model_whose_storage_fails_is_tried_again(
    validation: ValidatePlan, tmp_path: Path
) -> None:
    make_unreadable(tmp_path / "models")
    source = tmp_path / "models" / "digits"
    plan = validation.model_copy(update={"source_uri": source.as_uri()})

    with pytest.raises(RunFailedError, match="could not be read or written: Too many levels"):
        run(plan, tmp_path / "work")


def test_a_job_whose_storage_fails_is_tried_again(unlearning: UnlearnPlan, tmp_path: Path) -> None:
    make_unreadable(tmp_path / "a.parquet")
    (first, *others) = unlearning.data.files
    assert urlsplit(first.uri).path != str(tmp_path / "a.parquet")
    moved = first.model_copy(update={"uri": (tmp_path / "a.parquet").as_uri()})
    data = unlearning.data.model_copy(update={"files": [moved, *others]})

    with pytest.raises(RunFailedError, match="could not be read or written: Too many levels"):
        run(unlearning.model_copy(update={"data": data}), tmp_path / "work")


def test_a_network_for_float32_only_is_unlearned_in_it(
    unlearning: UnlearnPlan, tmp_path: Path
) -> None:
    factory = "tests.workers.runner.networks:summing_cnn"
    strict = Architecture(kind="module", factory=factory, kwargs={})

    outcome = run(unlearning.model_copy(update={"architecture": strict}), tmp_path / "work")

    assert isinstance(outcome, Unlearned)
    told = json.loads((unlearning.staging / PROVENANCE).read_text(encoding="utf-8"))["device"]
    assert told["precision"] == "float32"
    given_up = best_precision(torch.device("cpu")) == torch.bfloat16
    assert told.get("bfloat16") == ("given up: RuntimeError" if given_up else None)
