"""Plans for runs in processes of their own, without a database."""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from service.core.settings import Settings
from tests.workers.runner.plans import QUICK, first_step, quick_settings, run, validate_plan
from workers.plan import (
    FORGOTTEN,
    UnlearnPlan,
    Validated,
    ValidatePlan,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    return quick_settings(monkeypatch, tmp_path)


@pytest.fixture
def validation(digits: dict[str, Any], tmp_path: Path) -> ValidatePlan:
    return validate_plan(digits, tmp_path / "parent")


@pytest.fixture(scope="session")
def validated(
    digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Validated]:
    """Version 1 of the digits' model, and what its run told. Nobody may change the folder."""
    folder = tmp_path_factory.mktemp("validated")
    plan = validate_plan(digits, folder / "parent")
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick_settings(monkeypatch, folder)
        outcome = run(plan, folder / "validating")
    assert isinstance(outcome, Validated)
    return plan.staging, outcome


@pytest.fixture
def unlearning(
    digits: dict[str, Any],
    validation: ValidatePlan,
    validated: tuple[Path, Validated],
    tmp_path: Path,
) -> UnlearnPlan:
    """A small job: 40 samples out of the digits, from a parent that validation made."""
    made, parent = validated
    shutil.copytree(made, validation.staging, dirs_exist_ok=True)
    work = tmp_path / "work"
    work.mkdir()
    report = np.load(Path(urlsplit(digits["model"]).path).parent / "report.npz")
    rows = rows_by_file(report["forgotten"])
    np.save(work / FORGOTTEN, rows)
    np.save(work / "excluded.npy", rows)
    return UnlearnPlan(
        lineage=first_step(parent.written.digest, len(rows)),
        parent=validation.staging,
        architecture=validation.architecture,
        module="auto",
        method="laf",
        parameters=QUICK,
        min_agreement=0.9,
        seed=7,
        device="cpu",
        data=validation.data,
        staging=tmp_path / "staging",
    )


def rows_by_file(original: Any) -> Any:
    """Row positions in the dataset, whose first file has the even rows and whose second the odd."""
    evens = (1197 + 1) // 2
    return np.sort(np.where(original % 2 == 0, original // 2, evens + original // 2))
