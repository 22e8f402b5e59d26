"""Runs that no other attempt would mend end with a sentence that says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from tests.hostile import one_logit
from tests.workers.runner.plans import quick_settings, refusal, validate_plan
from workers.data.specs import ArraySpec
from workers.plan import FORGOTTEN, UnlearnPlan


def flat(*shape: int) -> ArraySpec:
    return ArraySpec("pixels", shape, 0.0625)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"method": "nonesuch"}, 'no unlearning method "nonesuch". Known: auto, distil, guided, laf'),
    ({"method": "laf", "parameters": {"epochs": "many"}}, '"epochs" must be int'),
    ({"parameters": {"epochs": 3}}, "The method auto has no parameter 'epochs'"),
    ({"module": "nonesuch"}, "nonesuch"),
    ({"source_uri": "file:///nowhere/at/all"}, "is no directory"),
    ({"architecture": {"factory": "os:getcwd"}}, "no prefix of UNLEARND_MODULE_FACTORIES"),
    ({"architecture": {"factory": "tests.hostile:nonesuch"}}, "cannot be imported"),
    ({"architecture": {"factory": "workers.zoo:nn"}}, "nn is not a function that makes a network."),
    (
        {"architecture": {"factory": "workers.zoo:nn"}, "source_uri": "file:///nowhere/at/all"},
        "workers.zoo:nn is not a function",
    ),
    ({"architecture": {"factory": "workers.zoo:Tensor"}}, "Tensor is not a function that makes"),
    ({"architecture": {"factory": "tests.hostile:not_a_module"}}, "not a torch.nn.Module"),
    ({"architecture": {"factory": "tests.hostile:no_head"}}, "does not fit the factory"),
    ({"architecture": {"kwargs": {"width": 3}}}, "failed with these kwargs"),
    ({"data": {"inputs": [flat(8, 8)]}}, "The model fails on inputs of shape [8, 8, 8]"),
    ({"data": {"inputs": [flat(1, 64, 1)]}}, "The model fails on inputs"),
]


@pytest.fixture(scope="module")
def reasons(digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each change."""
    folder = tmp_path_factory.mktemp("refusals")
    validation = validate_plan(digits, folder / "parent")
    plans = []
    for change, _ in CHANGES:
        nested = {
            name: getattr(validation, name).model_copy(update=value)
            for name, value in change.items()
            if name in ("architecture", "data")
        }
        plans.append(validation.model_copy(update=change | nested))
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick_settings(monkeypatch, folder)
        return [refusal(plan, folder / str(number)) for number, plan in enumerate(plans)]


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=[words for _, words in CHANGES])
def test_a_model_that_cannot_work_is_refused(reasons: list[str], number: int) -> None:
    assert CHANGES[number][1] in reasons[number]


def test_a_model_that_answers_with_one_number_is_refused(
    digits: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its most likely class, whatever is made of it agrees with it: nothing could be held."""
    source = tmp_path / "imported"
    source.mkdir()
    save_file(one_logit().state_dict(), source / "model.safetensors")
    plan = validate_plan(digits, tmp_path / "parent")
    architecture = plan.architecture.model_copy(update={"factory": "tests.hostile:one_logit"})
    quick_settings(monkeypatch, tmp_path)
    changed = {"architecture": architecture, "source_uri": source.as_uri()}
    said = refusal(plan.model_copy(update=changed), tmp_path / "run")
    assert "one number a sample, and a decision needs two" in said


def test_a_parent_that_was_tampered_with_is_refused(
    unlearning: UnlearnPlan, tmp_path: Path
) -> None:
    weights = unlearning.parent / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)

    reason = refusal(unlearning, tmp_path / "work")

    assert reason == "model.safetensors is not the file that manifest.json names."


def test_a_dataset_with_nothing_left_is_refused(unlearning: UnlearnPlan, tmp_path: Path) -> None:
    everything = np.arange(sum(file.rows for file in unlearning.data.files))
    np.save(tmp_path / "work" / FORGOTTEN, everything)
    np.save(tmp_path / "work" / "excluded.npy", everything)

    assert "No sample of the dataset remains" in refusal(unlearning, tmp_path / "work")
