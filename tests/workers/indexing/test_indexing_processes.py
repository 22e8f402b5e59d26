"""The process that reads a dataset: what ends it, and what is told of that."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.core.settings import Settings
from tests.waiting import wait_until
from tests.workers.indexing.datasets import plan_of, table, write
from tests.workers.indexing.silence import Silent
from tests.workers.runner.plans import supervise
from tests.workers.runner.test_supervision import runs_left
from workers import keeper, supervision
from workers.data.specs import TextSpec
from workers.keeper import ShutdownError
from workers.plan import Indexed
from workers.supervision import RunFailedError

LIMIT_MIB = 256


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        lease_seconds=30,
        registration_time_limit_seconds=60,
        registration_memory_limit_mib=LIMIT_MIB,
    )


def failure(act: Callable[[], object], work: Path) -> RunFailedError:
    with pytest.raises(RunFailedError) as caught:
        act()
    assert runs_left(work) == []
    return caught.value


def test_a_server_that_never_answers_is_refused_at_the_time_limit(
    silent: Silent, settings: Settings, work: Path
) -> None:
    limited = settings.model_copy(update={"registration_time_limit_seconds": 4})
    uri = f"{silent.prefix}/train/*.parquet"

    ended = failure(lambda: supervise(plan_of(uri), work, limited, lambda _: False), work)

    assert silent.called.is_set()
    assert (ended.code, ended.final) == ("timed_out", True)
    how = f"It took longer than the limit of 4 seconds while it read {uri}."
    assert str(ended) == f"{how} {supervision.TIME_ADVICE}"


@pytest.mark.parametrize(
    ("number", "code", "final"),
    [(signal.SIGABRT, "crashed", True), (signal.SIGKILL, "killed", False)],
)
def test_what_breaks_down_is_final_and_what_somebody_kills_is_tried_again(
    number: signal.Signals,
    code: str,
    final: bool,
    silent: Silent,
    settings: Settings,
    work: Path,
) -> None:
    def end() -> None:
        silent.called.wait(60)
        for pid in wait_until(lambda: runs_left(work)):
            os.kill(pid, number)

    ending = threading.Thread(target=end)
    ending.start()
    uri = f"{silent.prefix}/train/a.parquet"
    ended = failure(lambda: supervise(plan_of(uri), work, settings, lambda _: False), work)
    ending.join()

    assert (ended.code, ended.final) == (code, final)
    assert f"was ended by {number.name}" in str(ended)
    assert ("while it read " + uri in str(ended)) == final
    assert "its log says why" not in str(ended)


def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_silent_server(
    silent: Silent, settings: Settings, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "stopping", silent.called)
    stopped = threading.Event()
    began = [0.0]

    def note() -> None:
        silent.called.wait(60)
        began[0] = time.monotonic()
        stopped.set()

    threading.Thread(target=note, daemon=True).start()
    with pytest.raises(ShutdownError):
        supervise(plan_of(f"{silent.prefix}/a.parquet"), work, settings, lambda _: False)

    assert stopped.wait(1)
    assert time.monotonic() - began[0] < supervision.GRACE_SECONDS / 2
    assert runs_left(work) == []


def test_a_value_that_takes_more_memory_than_the_limit_is_refused_by_its_file(
    settings: Settings, work: Path, tmp_path: Path
) -> None:
    said = ["a"] * 9 + ["x" * (LIMIT_MIB * 2**19)]
    path = tmp_path / "a.parquet"
    write(path, table(10, said=said), compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 2**20
    plan = plan_of(path.as_uri(), inputs=[TextSpec("said")], memory_limit_mib=LIMIT_MIB)

    ended = failure(lambda: supervise(plan, work, settings, lambda _: False), work)

    assert (ended.code, ended.final) == ("out_of_memory", True)
    assert f"while it read {path.as_uri()}. {supervision.MEMORY_ADVICE}" in str(ended)


def test_an_ordinary_dataset_is_read_within_a_small_limit(
    settings: Settings, work: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.parquet", table(20_000))
    plan = plan_of(path.as_uri(), path.as_uri(), memory_limit_mib=LIMIT_MIB)

    outcome = supervise(plan, work, settings, lambda _: False)

    assert isinstance(outcome, Indexed)
    assert outcome.rows == 20_000
