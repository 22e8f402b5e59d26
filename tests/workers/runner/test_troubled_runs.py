"""A run whose files cannot be read just now says why, and may be tried again."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.core.settings import Settings
from tests.workers.runner.plans import run
from workers.plan import UnlearnPlan, ValidatePlan
from workers.supervision import RunFailedError


def make_unreadable(path: Path) -> None:
    """A link to itself, which the kernel answers with an error that is not about the file."""
    path.symlink_to(path.name)


def test_a_model_whose_storage_fails_is_tried_again(
    validation: ValidatePlan, quick: Settings, tmp_path: Path
) -> None:
    make_unreadable(tmp_path / "models")
    source = tmp_path / "models" / "digits"
    plan = validation.model_copy(update={"source_uri": source.as_uri()})

    with pytest.raises(RunFailedError, match="could not be read or written: Too many levels"):
        run(plan, quick, tmp_path / "work")


def test_a_job_whose_storage_fails_is_tried_again(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path
) -> None:
    make_unreadable(tmp_path / "a.parquet")
    (first, *others) = unlearning.data.files
    assert urlsplit(first.uri).path != str(tmp_path / "a.parquet")
    moved = first.model_copy(update={"uri": (tmp_path / "a.parquet").as_uri()})
    data = unlearning.data.model_copy(update={"files": [moved, *others]})

    with pytest.raises(RunFailedError, match="could not be read or written: Too many levels"):
        run(unlearning.model_copy(update={"data": data}), quick, tmp_path / "work")
