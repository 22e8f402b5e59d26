"""What a version that is an edit says of where its lineage of edits began."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.core.reasons import JobReason
from service.core.storage import MANIFEST, LocalStore
from tests.workers.runner.plans import refusal, run
from workers.lifecycle.origins import origin_of
from workers.plan import Origin, Unlearned, UnlearnPlan
from workers.supervision import RunFailedError

STEPS: dict[str, Any] = {"max_steps": 10, "check_every": 10, "max_rewinds": 0}


def provenance(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "unlearning.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def edit(unlearning: UnlearnPlan) -> UnlearnPlan:
    """A short edit, of a parent that is an edit of the version in `origin`, which lies there."""
    digest = unlearning.lineage.parent_digest
    origin = Origin(version=3, digest=digest, directory=unlearning.parent)
    lineage = unlearning.lineage.model_copy(update={"parent_version": 4})
    change = {"method": "redirect", "parameters": STEPS, "origin": origin, "lineage": lineage}
    return unlearning.model_copy(update=change)


@pytest.fixture(params=[1, 2], ids=["alone", "in two processes"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("UNLEARND_PROCESSES", str(request.param))
    return int(request.param)


def test_it_is_held_to_that_version_and_hands_it_on(
    edit: UnlearnPlan, tmp_path: Path, processes: int
) -> None:
    assert isinstance(run(edit, tmp_path / "work"), Unlearned)

    assert edit.origin is not None
    told = provenance(edit.staging)
    assert told["method"]["summary"]["held_to"] == "origin"
    assert told["edit_of"] == {"version": 3, "digest": edit.origin.digest}
    assert told["device"]["processes"] == processes


def test_without_one_the_parent_takes_its_place(edit: UnlearnPlan, tmp_path: Path) -> None:
    outcome = run(edit.model_copy(update={"origin": None}), tmp_path / "work")

    assert isinstance(outcome, Unlearned)
    told = provenance(edit.staging)
    assert told["method"]["summary"]["held_to"] == "parent"
    assert told["edit_of"] == {"version": 4, "digest": edit.lineage.parent_digest}


@pytest.mark.usefixtures("processes")
def test_one_that_was_destroyed_since_the_plan_was_made_asks_for_another_plan(
    edit: UnlearnPlan, tmp_path: Path
) -> None:
    assert edit.origin is not None
    origin = edit.origin.model_copy(update={"directory": tmp_path / "destroyed"})

    with pytest.raises(RunFailedError, match="the origin has been destroyed meanwhile") as caught:
        run(edit.model_copy(update={"origin": origin}), tmp_path / "work")

    assert caught.value.code == JobReason.STORAGE


def test_one_that_was_tampered_with_is_refused(edit: UnlearnPlan, tmp_path: Path) -> None:
    assert edit.origin is not None
    origin = edit.origin.model_copy(update={"digest": "0" * 64})

    reason = refusal(edit.model_copy(update={"origin": origin}), tmp_path / "work")

    assert reason == "The origin's files are not those of the version that was published."


def test_a_student_with_fresh_weights_is_no_edit(edit: UnlearnPlan, tmp_path: Path) -> None:
    quickly = {"passes": 0.1, "max_passes": 0.1, "min_steps": 10}
    plan = edit.model_copy(update={"method": "distil", "parameters": quickly})

    assert isinstance(run(plan, tmp_path / "work"), Unlearned)

    assert provenance(plan.staging)["edit_of"] is None


def version(store: LocalStore, digest: str, told: dict[str, Any]) -> None:
    folder = store.directory("digits", digest)
    folder.mkdir(parents=True)
    (folder / "unlearning.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / MANIFEST).write_text("{}", encoding="utf-8")


def test_it_is_looked_up_in_the_parent_and_must_not_be_destroyed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    version(store, "first", {"parent": None})
    version(store, "student", {"edit_of": None})
    version(store, "edit", {"edit_of": {"version": 1, "digest": "first"}})

    found = Origin(version=1, digest="first", directory=store.directory("digits", "first"))
    assert origin_of(store, "digits", "edit") == found
    assert origin_of(store, "digits", "first") is None
    assert origin_of(store, "digits", "student") is None
    assert origin_of(store, "digits", "nowhere") is None

    (store.directory("digits", "first") / MANIFEST).unlink()
    assert origin_of(store, "digits", "edit") is None
