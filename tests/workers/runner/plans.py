"""Making plans, and doing them."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from service.core.settings import Settings
from tests.workers.runner.warm import run_warm
from workers import supervision
from workers.data.index import read_holdout, read_ids
from workers.data.specs import ArraySpec, InputSpec
from workers.keeper import Heartbeat, Keeper
from workers.plan import (
    KEPT,
    OUTCOME,
    PLAN,
    AnyArchitecture,
    Architecture,
    DataFile,
    DataPlan,
    IndexPlan,
    Lineage,
    Outcome,
    Plan,
    Refused,
    ValidatePlan,
)
from workers.progress import RunProgress

# Enough to forget a little, in a second or two.
QUICK: dict[str, Any] = {
    "min_steps": 60,
    "max_steps": 60,
    "earliest_stop": 20,
    "check_every": 20,
    "density_steps": 50,
}


def quick_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """Settings of this process, and of the runs that it starts."""
    for name, value in {"THREADS": "1", "DEVICE": "cpu", "MODULE_FACTORIES": "tests."}.items():
        monkeypatch.setenv(f"UNLEARND_{name}", value)
    return Settings(home=folder / "home", lease_seconds=2)


def validate_plan(digits: dict[str, Any], staging: Path) -> ValidatePlan:
    staging.mkdir()
    architecture = Architecture(kind="module", factory=digits["factory"], kwargs={})
    return registration(digits["model"], architecture, data_plan(digits), staging, model="digits")


def registration(
    source_uri: str, architecture: AnyArchitecture, data: DataPlan, staging: Path, **given: Any
) -> ValidatePlan:
    """The plan of a model's registration, with defaults for all that is not `given`."""
    defaults: dict[str, Any] = {
        "model": "a-model",
        "module": "auto",
        "method": "auto",
        "parameters": {},
        "min_agreement": 0.9,
        "tv": 0,
    }
    return ValidatePlan(
        source_uri=source_uri,
        architecture=architecture,
        data=data,
        staging=staging,
        **(defaults | given),
    )


def data_plan(described: dict[str, Any]) -> DataPlan:
    """The plan of a dataset of arrays that is indexed here and now."""
    spec = ArraySpec("pixels", tuple(described["shape"]), described["scale"])
    return indexed(described["train"], described["holdout"], [spec])


def indexed(uri: str, holdout_uri: str, inputs: list[InputSpec]) -> DataPlan:
    files: list[dict[str, Any]] = []
    for _ in read_ids(uri, "sample_id", inputs, 255, files.append):
        pass
    return DataPlan(
        files=[DataFile.model_validate(file) for file in files],
        holdout_files=[DataFile.model_validate(file) for file in read_holdout(holdout_uri, inputs)],
        id_column="sample_id",
        inputs=inputs,
    )


def run(plan: Plan, work: Path) -> Outcome:
    """Do a plan in a process of its own, with this one's environment, and into an empty directory.

    torch is there already: see `warm`.

    Raises:
        RunFailedError: it came to nothing.
    """
    make_room(plan, work)
    (work / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
    return supervision.read_outcome(run_warm(work), work, out_of_memory=False)


def run_supervised(plan: Plan, settings: Settings, work: Path) -> Outcome:
    """Do a plan as a worker does, into an empty directory."""
    make_room(plan, work)
    return supervise(plan, work, settings, lambda _progress: False)


def make_room(plan: Plan, work: Path) -> None:
    """Nothing is left of a run before: it would go on from what that one kept."""
    work.mkdir(exist_ok=True)
    (work / OUTCOME).unlink(missing_ok=True)
    shutil.rmtree(work / KEPT, ignore_errors=True)
    if not isinstance(plan, IndexPlan):
        shutil.rmtree(plan.staging, ignore_errors=True)
        plan.staging.mkdir()


def supervise(plan: Plan, work: Path, settings: Settings, heartbeat: Heartbeat) -> Outcome:
    """Do a plan under a lease that is fresh now."""
    with Keeper(heartbeat, settings.lease_seconds, time.monotonic()) as lease:
        return supervision.run(plan, work, settings, lease)


def refusal(plan: Plan, work: Path) -> str:
    outcome = run(plan, work)
    assert isinstance(outcome, Refused)
    return outcome.reason


def heard(into: list[RunProgress]) -> Heartbeat:
    def hear(progress: RunProgress) -> bool:
        into.append(progress)
        return False

    return hear


def first_step(digest: str, forgotten: int) -> Lineage:
    """From version 1 with that digest to the clock 1, over so many samples."""
    return Lineage(
        model="digits",
        job_id="job",
        parent_version=1,
        parent_digest=digest,
        parent_tv=0,
        tv=1,
        excluded_tv=1,
        forgotten=forgotten,
        commitment="0" * 64,
    )
