"""A model is registered with its base, and its versions are distilled from there."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.workers.runner.plans import refusal, run
from workers.plan import Unlearned, UnlearnPlan, Validated, ValidatePlan
from workers.zoo import digits_cnn

QUICK = {"passes": 1.0, "max_passes": 1.0, "min_steps": 30}


def test_a_base_is_kept_and_told_of(
    unlearning: UnlearnPlan, validation: ValidatePlan, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    torch.manual_seed(5)
    save_file(digits_cnn().state_dict(), base / "model.safetensors")
    plan = validation.model_copy(update={"base_uri": base.as_uri()})

    first = run(plan, tmp_path / "again")
    assert isinstance(first, Validated)
    lineage = unlearning.lineage.model_copy(update={"parent_digest": first.written.digest})
    change = {"lineage": lineage, "method": "distil", "parameters": QUICK}
    second = run(unlearning.model_copy(update=change), tmp_path / "work")

    assert isinstance(second, Unlearned)
    told = json.loads((unlearning.staging / "unlearning.json").read_text(encoding="utf-8"))
    assert told["fresh_weights"] == "base"
    assert told["method"]["summary"]["began_with"] == "base"
    kept = load_file(unlearning.staging / "base.safetensors")
    assert torch.equal(kept["embed.weight"], load_file(base / "model.safetensors")["embed.weight"])
    card = (unlearning.staging / "README.md").read_text(encoding="utf-8")
    assert "the weights that its training began with" in card


def test_a_base_that_is_not_there_is_refused(validation: ValidatePlan, tmp_path: Path) -> None:
    plan = validation.model_copy(update={"base_uri": (tmp_path / "nowhere").as_uri()})

    assert "nowhere" in refusal(plan, tmp_path / "work")
