"""What a run reads, and that it can be repeated."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from service.core.settings import Settings
from tests.workers.runner.plans import QUICK, data_plan, run
from workers.plan import Unlearned, UnlearnPlan
from workers.unlearning.registry import names

# Few steps: what is tested here does not depend on how well is unlearned.
METHODS: dict[str, dict[str, Any]] = {
    "laf": QUICK,
    "distil": {"passes": 1.0, "max_passes": 1.0, "min_steps": 60},
    "redirect": {"max_steps": 20},
    "guided": {"max_steps": 20},
    "auto": {},
}


@pytest.fixture(params=METHODS)
def unlearning(unlearning: UnlearnPlan, request: pytest.FixtureRequest) -> UnlearnPlan:
    """The plan of a run, by each method there is."""
    change = {"method": request.param, "parameters": METHODS[request.param]}
    return unlearning.model_copy(update=change)


def test_every_method_keeps_the_promises() -> None:
    assert sorted(METHODS) == names()


def test_a_run_reads_no_label_and_can_be_repeated(
    unlearning: UnlearnPlan, digits: dict[str, Any], quick: Settings, tmp_path: Path
) -> None:
    """Promises: labels are read by nothing, and `unlearning.json` is enough to do it again."""
    first = run(unlearning, quick, tmp_path / "work")
    assert isinstance(first, Unlearned)
    told = json.loads((unlearning.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert told["device"]["threads"] == 1
    assert first.commitment == told["forgotten"]["commitment"]

    data = data_plan(digits | without_labels(digits, tmp_path / "bare"))
    unlabelled = run(unlearning.model_copy(update={"data": data}), quick, tmp_path / "work")

    # The digest covers the weights, the audit and the gate's verdict.
    assert isinstance(unlabelled, Unlearned)
    assert first.written.digest == unlabelled.written.digest
    again = unlearning.model_copy(
        update={
            "method": told["method"]["name"],
            "parameters": told["method"]["parameters"],
            "seed": told["seed"],
            "module": told["representation"]["module"],
            "min_agreement": told["gate"]["min_agreement"],
        }
    )

    second = run(again, quick, tmp_path / "work")
    other = run(again.model_copy(update={"seed": told["seed"] + 1}), quick, tmp_path / "work")

    # The same kind of device gives the same weights; another seed does not.
    assert isinstance(second, Unlearned)
    assert isinstance(other, Unlearned)
    assert weights_of(first) == weights_of(second)
    assert weights_of(first) != weights_of(other)


def without_labels(digits: dict[str, Any], bare: Path) -> dict[str, str]:
    """The same files without the label column."""
    for part in ("train", "holdout"):
        (bare / part).mkdir(parents=True)
        source = Path(urlsplit(digits["model"]).path).parent / part
        for file in source.glob("*.parquet"):
            table = pq.read_table(file)
            assert "label" in table.column_names
            pq.write_table(table.drop_columns(["label"]), bare / part / file.name)
    return {part: f"{(bare / part).as_uri()}/*.parquet" for part in ("train", "holdout")}


def weights_of(outcome: Unlearned) -> str:
    return next(f.sha256 for f in outcome.written.files if f.path == "model.safetensors")


def test_a_run_that_changes_too_much_is_not_passed(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    """The gate: agreement below the floor is refused with both numbers, and still written."""
    wild = unlearning.model_copy(
        update={
            "min_agreement": 1.0,
            "method": "laf",
            "parameters": {
                **QUICK,
                "learning_rate": 0.3,
                "clip_norm": 100.0,
                "max_rewinds": 0,
            },
        }
    )

    outcome = run(wild, quick, tmp_path / "work")

    assert isinstance(outcome, Unlearned)
    assert not outcome.passed
    assert "at least 1.0000 is wanted" in outcome.reasons[0]
    assert "retrain without the samples" in outcome.reasons[-1]
    assert outcome.audit["level"] == "none"
