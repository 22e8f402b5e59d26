"""One job over so many rows, by phases."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import torch

from bench.scale.data import parent, prepare
from bench.unlearning.unlabelled import audited
from workers.data.processing import raw_processing
from workers.device import choose_compute
from workers.evaluation.judge import judged
from workers.runner.loading import load_sets
from workers.unlearning.base import Problem, Progress
from workers.unlearning.embedding import answer
from workers.unlearning.layout import copied
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap
from workers.zoo import digits_cnn

PHASES = ("loading", "embedding", "modelling", "unlearning", "auditing")
MIN_AGREEMENT = 0.97
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Order:
    """A job for a process of its own."""

    folder: Path
    rows: int
    forget: int
    threads: int


@dataclass
class Clock:
    """Seconds by the clock and of all processors, by phase."""

    wall: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    _since: tuple[float, float] = field(default_factory=lambda: _now())

    def ended(self, phase: str) -> None:
        """What went by since the last call was this phase."""
        wall, cpu = _now()
        self.wall[phase] += wall - self._since[0]
        self.cpu[phase] += cpu - self._since[1]
        self._since = wall, cpu


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


class Peak:
    """The most memory of its own that this process has held: not counting mapped files."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            status = Path("/proc/self/status").read_text(encoding="utf-8")
            now = int(status.partition("RssAnon:")[2].split()[0]) / 1024
            self.mib = max(self.mib, now)

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return self.mib


def measure(order: Order) -> dict[str, Any]:
    """Do the job as a runner does, in this process, which has done nothing else."""
    torch.set_num_threads(order.threads)
    data = prepare(order.folder, order.rows)
    network = parent(order.folder)
    forgotten = np.sort(
        np.random.default_rng(3).choice(order.rows, order.forget, replace=False)
    ).astype(np.int64)
    work = order.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        return _job(order, data, network, forgotten, work)
    finally:
        shutil.rmtree(work)


def _job(order: Order, data: Any, network: Any, forgotten: Any, work: Path) -> dict[str, Any]:
    peak, clock = Peak(), Clock()
    sets = load_sets(data, forgotten, forgotten, work, raw_processing())
    clock.ended("loading")
    problem = judged(
        Problem(
            model=network,
            fresh=digits_cnn,
            tap=find_tap(network, sets.remaining.batch(torch.arange(2))),
            remaining=sets.remaining,
            forgotten=sets.forgotten,
            holdout=sets.holdout,
            device=CPU,
            seed=7,
            min_agreement=MIN_AGREEMENT,
            # As a job of the default settings computes.
            compute=choose_compute(CPU, Ranks(), "auto", "auto", work),
        )
    )

    def report(progress: Progress) -> None:
        clock.ended(progress.phase)

    unlearned = get_method("auto").unlearn(problem, report)
    clock.ended("unlearning")
    found, _ = audited(problem, unlearned.model)
    clock.ended("auditing")
    most = peak.end()
    # The floor: everything once through the network, as fast as methods do it, and nothing kept.
    floored = copied(network, CPU)
    before = time.process_time()
    answer(floored, sets.remaining, torch.arange(len(sets.remaining)), CPU, 512)
    floor = time.process_time() - before
    return {
        "rows": order.rows,
        "forget": order.forget,
        "method": unlearned.method,
        "tried": [trial["method"] for trial in unlearned.summary["auto"]["tried"]],
        "agreement": found["remaining"]["agreement"],
        "level": found["level"],
        "seconds": clock.wall,
        "cpu_seconds": clock.cpu,
        "floor_cpu_seconds": floor,
        "ratio": sum(clock.cpu.values()) / floor,
        "peak_mib": most,
    }
