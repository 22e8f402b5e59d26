"""Why a run came to nothing is told as a code, by what really happened to its process."""

import errno
import os
import signal
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from service.core.reasons import JobReason
from service.core.settings import Settings
from tests.waiting import wait_until
from tests.workers.runner.plans import run_supervised, supervise
from tests.workers.runner.test_supervision import made_by, runs_left
from workers import memory, supervision
from workers.data.errors import DatasetError
from workers.plan import Failed, Refused, Validated, ValidatePlan
from workers.runner.endings import ending_of
from workers.supervision import RunFailedError
from workers.unlearning.errors import DoesNotFitError, RanksError, UnlearningError

# A runner with torch takes some 250 MiB before it does anything.
LIMIT_MIB = 700
STEP = "built the network and read its weights"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def limited(quick: Settings) -> Settings:
    return quick.model_copy(update={"registration_memory_limit_mib": LIMIT_MIB})


def failure(plan: ValidatePlan, work: Path, settings: Settings) -> tuple[JobReason, str]:
    with pytest.raises(RunFailedError) as caught:
        supervise(plan, work, settings, lambda _progress: False)
    assert runs_left(work) == []
    return caught.value.code, str(caught.value)


def kill_soon(work: Path) -> Thread:
    """SIGKILL for the run once it is there, by whoever."""

    def kill() -> None:
        for pid in wait_until(lambda: runs_left(work)):
            os.kill(pid, signal.SIGKILL)

    thread = Thread(target=kill)
    thread.start()
    return thread


def test_a_kill_from_outside_is_no_want_of_memory(
    validation: ValidatePlan, limited: Settings, work: Path
) -> None:
    killing = kill_soon(work)

    code, reason = failure(made_by(validation, "hang"), work, limited)

    killing.join()
    assert (code, reason) == ("killed", "Its process was ended by SIGKILL.")


def test_a_kill_by_the_kernel_for_want_of_memory_is_told_from_one_by_somebody(
    validation: ValidatePlan, quick: Settings, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel counts its own: here, once no run is left."""
    started: list[int] = []

    def count() -> int:
        left = runs_left(work)
        started.extend(left)
        return int(bool(started) and not left)

    monkeypatch.setattr(memory, "kernel_kills", count)

    code, reason = failure(made_by(validation, "killed_from_outside"), work, quick)

    assert (code, reason) == ("out_of_memory", "The kernel killed it for want of memory.")


def test_a_run_that_takes_more_memory_than_the_limit_is_ended_and_the_next_one_is_fine(
    validation: ValidatePlan, limited: Settings, work: Path, tmp_path: Path
) -> None:
    """Also where it is a process of the run's own that takes it."""
    started = time.monotonic()
    code, reason = failure(made_by(validation, "leak_in_a_child"), work, limited)

    assert code == "out_of_memory"
    assert reason == (
        f"It took more memory than the limit of {LIMIT_MIB} MiB while it {STEP}. "
        f"{supervision.MEMORY_ADVICE}"
    )
    # Not politely: it would go on taking memory.
    assert time.monotonic() - started < supervision.GRACE_SECONDS
    assert isinstance(run_supervised(validation, limited, tmp_path / "next"), Validated)


def test_an_allocation_that_is_refused_is_a_want_of_memory_and_not_a_wrong_factory(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    code, reason = failure(made_by(validation, "too_large_at_once"), work, quick)

    told = f"It ran out of memory while it {STEP}. {supervision.MEMORY_ADVICE}"
    assert (code, reason) == ("out_of_memory", told)


def test_a_full_disk_is_told_from_other_trouble(
    validation: ValidatePlan, quick: Settings, work: Path
) -> None:
    # A device on which every write fails as on a full disk.
    (validation.staging / "model.safetensors").symlink_to("/dev/full")

    code, reason = failure(validation, work, quick)

    assert code == "disk_full"
    assert reason == "A file could not be read or written: No space left on device."


def error_of(act: object) -> Exception:
    assert callable(act)
    try:
        act()
    except Exception as error:  # noqa: BLE001 (which one is the question)
        return error
    raise AssertionError("It did not fail.")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


MUCH = 2**50


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (error_of(lambda: np.ones(MUCH)), "out_of_memory"),
        (error_of(lambda: torch.ones(MUCH)), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (DoesNotFitError("One sample does not fit."), "out_of_memory"),
        (caused(RanksError("x"), DoesNotFitError("One sample does not fit.")), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (error_of(lambda: save_file({"w": torch.ones(4)}, "/nowhere/w")), "storage"),
        (OSError(errno.EIO, "Input/output error"), "storage"),
        (UnlearningError("The loss is not a finite number."), "method_failed"),
        (caused(RanksError("x"), UnlearningError("The loss.")), "method_failed"),
        (DatasetError("The files changed."), "refused"),
        (caused(DatasetError("It failed."), MemoryError()), "out_of_memory"),
        (KeyError("weights"), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
    ],
)
def test_errors_of_all_kinds_have_their_code(error: Exception, code: str | None) -> None:
    ending = ending_of(error)

    assert (ending.code if ending else None) == code
    assert isinstance(ending, Refused) == (code in ("refused", "method_failed"))
    assert isinstance(ending, Failed) == (code in ("out_of_memory", "disk_full", "storage"))


def test_a_run_is_what_the_kernel_kills_first(
    validation: ValidatePlan, quick: Settings, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watch() -> int:
        seen.extend(int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in runs_left(work))
        return 0

    monkeypatch.setattr(memory, "kernel_kills", watch)
    monkeypatch.setattr(supervision, "GRACE_SECONDS", 0.1)
    limited = quick.model_copy(update={"registration_time_limit_seconds": 2})
    failure(made_by(validation, "hang"), work, limited)

    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert seen[-1] > own
