"""What a run reads, and that it can be repeated."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from service.core.policy import TargetLevel
from service.core.settings import Settings
from tests.workers.runner.plans import QUICK, data_plan, run, run_supervised
from workers.plan import Unlearned, UnlearnPlan
from workers.unlearning.registry import names

# Few steps: what is tested here does not depend on how well is unlearned.
METHODS: dict[str, dict[str, Any]] = {
    "laf": QUICK,
    "distil": {"passes": 1.0, "max_passes": 1.0, "min_steps": 60},
    "redirect": {"max_steps": 20},
    "guided": {"max_steps": 20, "student": {"passes": 1.0, "max_passes": 1.0, "min_steps": 60}},
    "auto": {},
}


@pytest.fixture(params=METHODS)
def by_each_method(unlearning: UnlearnPlan, request: pytest.FixtureRequest) -> UnlearnPlan:
    """The plan of a run, by each method there is."""
    change = {
        "method": request.param,
        "parameters": METHODS[request.param],
        "target_level": TargetLevel.UTILITY,
    }
    return unlearning.model_copy(update=change)


def test_every_method_keeps_the_promises() -> None:
    assert sorted(METHODS) == names()


def test_a_version_can_be_made_again_from_what_it_tells_and_without_labels(
    by_each_method: UnlearnPlan, digits: dict[str, Any], tmp_path: Path
) -> None:
    """Promises: labels are read by nothing, and `unlearning.json` is enough to do it again."""
    first = run(by_each_method, tmp_path / "work")
    assert isinstance(first, Unlearned)
    told = provenance(by_each_method)
    assert told["device"]["threads"] == 1
    assert told["audit"]["target_level"] == "utility"
    if by_each_method.method == "auto":
        assert told["method"]["summary"]["auto"]["target_level"] == "utility"
    assert first.commitment == told["forgotten"]["commitment"]
    again = by_each_method.model_copy(
        update={
            "method": told["method"]["name"],
            "parameters": told["method"]["parameters"],
            "seed": told["seed"],
            "module": told["representation"]["module"],
            "min_agreement": told["gate"]["min_agreement"],
            "data": data_plan(digits | without_labels(digits, tmp_path / "bare")),
        }
    )

    second = run(again, tmp_path / "work")
    assert isinstance(second, Unlearned)
    assert weights_of(first) == weights_of(second)
    for part in ("audit", "gate", "device", "forgotten"):
        assert told[part] == provenance(again)[part]

    # The same kind of device gives the same weights; another seed does not.
    other = run(again.model_copy(update={"seed": told["seed"] + 1}), tmp_path / "work")
    assert isinstance(other, Unlearned)
    assert weights_of(first) != weights_of(other)


def test_a_run_without_labels_publishes_the_same_bytes(
    unlearning: UnlearnPlan, quick: Settings, digits: dict[str, Any], tmp_path: Path
) -> None:
    """Also from a Python of its own, which puts names in sets in an order of its own.

    What was asked for stands beside what was reached.
    """
    asking = unlearning.model_copy(
        update={"target_level": TargetLevel.ROBUST, "min_agreement": None}
    )
    first = run(asking, tmp_path / "work")
    told = provenance(asking)
    assert told["audit"]["target_level"] == "robust"
    assert told["gate"]["rule"] == "disputes"
    assert told["gate"]["min_agreement"] <= 0.97
    card = (asking.staging / "README.md").read_text(encoding="utf-8")
    assert f"(asked for robust, reached {told['audit']['level']})" in card
    assert "they must not have become worse" in card
    data = data_plan(digits | without_labels(digits, tmp_path / "bare"))
    plan = asking.model_copy(update={"data": data})
    unlabelled = run_supervised(plan, quick, tmp_path / "work")

    # The digest covers the weights, the audit and the gate's verdict.
    assert isinstance(first, Unlearned)
    assert isinstance(unlabelled, Unlearned)
    assert first.written.digest == unlabelled.written.digest


def provenance(plan: UnlearnPlan) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        (plan.staging / "unlearning.json").read_text(encoding="utf-8")
    )
    return told


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


def test_a_run_that_changes_too_much_is_not_passed(unlearning: UnlearnPlan, tmp_path: Path) -> None:
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

    outcome = run(wild, tmp_path / "work")

    assert isinstance(outcome, Unlearned)
    assert not outcome.passed
    assert "at least 1.0000 is wanted" in outcome.reasons[0]
    assert "retrain without the samples" in outcome.reasons[-1]
    assert outcome.audit["level"] == "none"
    assert provenance(wild)["gate"]["rule"] == "fixed"
    card = (wild.staging / "README.md").read_text(encoding="utf-8")
    assert "was 1, the one that the model's policy sets" in card
