"""Runs that no other attempt would mend end with a sentence that says why."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.core.settings import Settings
from tests.workers.runner.plans import quick_settings, refusal, validate_plan
from workers.data.specs import ArraySpec
from workers.plan import FORGOTTEN, OUTCOME, PLAN, Refused, UnlearnPlan

# Most of a short run is the import of torch.
ONE_AFTER_THE_OTHER = """
import sys
from pathlib import Path
from workers.runner.__main__ import main
for place in sys.argv[1:]:
    main(Path(place))
"""


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
    ({"architecture": {"factory": "tests.hostile:not_a_module"}}, "not a torch.nn.Module"),
    ({"architecture": {"factory": "tests.hostile:no_head"}}, "does not fit the factory"),
    ({"architecture": {"kwargs": {"width": 3}}}, "failed with these kwargs"),
    ({"data": {"inputs": [flat(8, 8)]}}, "The model fails on inputs of shape [8, 8, 8]"),
    ({"data": {"inputs": [flat(1, 64, 1)]}}, "The model fails on inputs"),
]


@pytest.fixture(scope="module")
def reasons(digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each change, by one process that does one plan after the other."""
    folder = tmp_path_factory.mktemp("refusals")
    validation = validate_plan(digits, folder / "parent")
    places = []
    for number, (change, _) in enumerate(CHANGES):
        nested = {
            name: getattr(validation, name).model_copy(update=value)
            for name, value in change.items()
            if name in ("architecture", "data")
        }
        plan = validation.model_copy(update=change | nested)
        work = folder / str(number)
        work.mkdir()
        (work / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
        places.append(work)
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick_settings(monkeypatch, folder)
        subprocess.run([sys.executable, "-c", ONE_AFTER_THE_OTHER, *places], check=True)
    outcomes = [(work / OUTCOME).read_text(encoding="utf-8") for work in places]
    return [Refused.model_validate_json(outcome).reason for outcome in outcomes]


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=[words for _, words in CHANGES])
def test_a_model_that_cannot_work_is_refused(reasons: list[str], number: int) -> None:
    assert CHANGES[number][1] in reasons[number]


def test_a_parent_that_was_tampered_with_is_refused(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    weights = unlearning.parent / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)

    reason = refusal(unlearning, quick, tmp_path / "work")

    assert reason == "model.safetensors is not the file that manifest.json names."


def test_a_dataset_with_nothing_left_is_refused(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    everything = np.arange(sum(file.rows for file in unlearning.data.files))
    np.save(tmp_path / "work" / FORGOTTEN, everything)
    np.save(tmp_path / "work" / "excluded.npy", everything)

    assert "No sample of the dataset remains" in refusal(unlearning, quick, tmp_path / "work")
