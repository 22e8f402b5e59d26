"""What one process of a run leaves behind when it cannot go on."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.core.settings import Settings
from workers.data.errors import DatasetError
from workers.plan import OUTCOME, UnlearnPlan
from workers.runner import process
from workers.runner.process import fulfil
from workers.unlearning.ranks import Ranks

BROKEN = DatasetError("Row 900: the image in x cannot be decoded.")
SECOND = Ranks(1, 2)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_SECONDS", 0.2)
    # What is logged is captured, and so not set up.
    monkeypatch.setattr(process, "configure_logging", lambda *_args, **_more: None)


def ends_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(process, "unlearn", fail)


def run(work: Path, plan: UnlearnPlan, settings: Settings, ranks: Ranks) -> None:
    silent: Any = SimpleNamespace(tell=lambda _line: None)
    fulfil(work, plan, settings, silent, ranks)


def outcome(work: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / OUTCOME).read_text(encoding="utf-8"))
    return found


def test_what_one_of_several_alone_has_read_is_told_and_no_crash(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(monkeypatch, BROKEN)

    # It ends with an error, so that the launcher ends the first one, which waits for it.
    with pytest.raises(DatasetError):
        run(tmp_path, unlearning, quick, SECOND)

    assert (outcome(tmp_path)["kind"], outcome(tmp_path)["reason"]) == ("refused", str(BROKEN))


def test_what_the_first_one_has_told_is_not_told_again(
    unlearning: UnlearnPlan, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(monkeypatch, BROKEN)
    (tmp_path / OUTCOME).write_text("{}", encoding="utf-8")

    run(tmp_path, unlearning, quick, SECOND)

    assert outcome(tmp_path) == {}


@pytest.mark.parametrize("linked", [False, True])
def test_no_log_names_a_file_that_failed(
    unlearning: UnlearnPlan,
    quick: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    linked: bool,
) -> None:
    error: Exception = OSError(errno.EIO, "Input/output error", "/data/patient-17.parquet")
    if linked:
        outer = DatasetError("A file of the dataset cannot be read.")
        outer.__cause__ = error
        error = outer
    ends_with(monkeypatch, error)

    with capture_logs() as lines:
        run(tmp_path, unlearning, quick, Ranks())

    (line,) = lines
    assert line["event"] == ("run refused" if linked else "run failed")
    assert line["reason"] == outcome(tmp_path)["reason"]
    assert line["exc_info"] is None
    assert "patient" not in repr(line)
