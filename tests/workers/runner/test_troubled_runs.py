"""What goes wrong in a run is told: files that cannot be read, numbers without a kernel."""

import json
from pathlib import Path

import pytest
import torch

from service.core.storage import PROVENANCE
from tests.workers.runner.plans import run
from workers.plan import Architecture, Unlearned, UnlearnPlan, ValidatePlan
from workers.supervision import RunFailedError
from workers.unlearning.precision import best_precision


def unreadable(folder: Path) -> Path:
    """A name that is too long: the kernel answers with an error that is not about the file."""
    return folder / ("a" * 300)


def test_a_model_whose_storage_fails_is_tried_again(
    validation: ValidatePlan, tmp_path: Path
) -> None:
    source = unreadable(tmp_path) / "digits"
    plan = validation.model_copy(update={"source_uri": source.as_uri()})

    with pytest.raises(RunFailedError, match="could not be read or written: File name too long"):
        run(plan, tmp_path / "work")


def test_a_job_whose_storage_fails_is_tried_again(unlearning: UnlearnPlan, tmp_path: Path) -> None:
    missing = unreadable(tmp_path)
    (first, *others) = unlearning.data.files
    moved = first.model_copy(update={"uri": missing.as_uri()})
    data = unlearning.data.model_copy(update={"files": [moved, *others]})

    with pytest.raises(RunFailedError, match="could not be read or written: File name too long"):
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
