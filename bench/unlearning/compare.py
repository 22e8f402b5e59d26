"""One task, one seed: the original, the oracle, and every method, side by side."""

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.unlearning.images import SOURCES, Images
from bench.unlearning.measures import Measures, measure
from bench.unlearning.networks import fresh, oracle, original
from bench.unlearning.tasks import Task, make_task
from workers.data.samples import MappedSamples
from workers.evaluation.audit import audit
from workers.unlearning.base import Problem, Unlearned
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap

MIN_AGREEMENT = 0.97
NOTHING = "do nothing"
ORACLE = "retrain (oracle)"


@dataclass(frozen=True)
class Row:
    """What came of one way to answer one deletion.

    seconds: of the method alone, reading the data included; `audit_seconds` of the audit after
    it. peak_mib: the most memory that its process held, data and libraries included.
    """

    task: str
    seed: int
    method: str
    measures: Measures
    gaps: dict[str, float]
    seconds: float
    oracle_seconds: float
    peak_mib: float | None
    audit: dict[str, Any] | None
    audit_seconds: float | None
    summary: dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What a process of its own is asked to compute; everything in it can be sent there."""

    images: str
    rows: int | None
    task: str
    seed: int
    method: str
    parameters: dict[str, Any]
    cache: Path
    threads: int


def load_images(name: str, rows: int | None) -> Images:
    images = SOURCES[name]()
    return images if rows is None else images.first(rows)


def problem_of(
    images: Images, task: Task, model: nn.Module, seed: int, parameters: dict[str, Any]
) -> Problem:
    """What a method gets to see: no labels, and no test samples."""
    everything = images.train.images
    held_out = images.holdout.images
    remaining = MappedSamples(everything, np.flatnonzero(~task.forgotten), images.scale)
    return Problem(
        model=model,
        fresh=lambda: fresh(images),
        tap=find_tap(model, remaining.batch(torch.arange(2))),
        remaining=remaining,
        forgotten=MappedSamples(everything, np.flatnonzero(task.forgotten), images.scale),
        holdout=MappedSamples(held_out, np.arange(len(held_out)), images.scale),
        device=torch.device("cpu"),
        seed=seed,
        min_agreement=MIN_AGREEMENT,
        parameters=parameters,
    )


def compare(
    images_name: str,
    rows: int | None,
    task_name: str,
    seed: int,
    methods: dict[str, dict[str, Any]],
    cache: Path,
    threads: int,
) -> list[Row]:
    """The original, the oracle and each method (name -> its parameters) on one task."""
    torch.set_num_threads(threads)
    images = load_images(images_name, rows)
    task = make_task(task_name, images, seed)
    first, second = original(images, task, seed, cache), oracle(images, task, seed, cache)
    truth = measure(second.model, images, task, seed)
    before = measure(first.model, images, task, seed)

    def row(method: str, measures: Measures, seconds: float, **more: Any) -> Row:
        fields: dict[str, Any] = {
            "peak_mib": None,
            "audit": None,
            "audit_seconds": None,
            "summary": {},
        }
        return Row(
            task=task_name,
            seed=seed,
            method=method,
            measures=measures,
            gaps=measures.gaps(truth),
            seconds=seconds,
            oracle_seconds=second.seconds,
            **(fields | more),
        )

    found = [
        row(NOTHING, before, 0.0, summary={"training_seconds": first.seconds}),
        row(ORACLE, truth, second.seconds, summary={"cached": second.cached}),
    ]
    for method, parameters in methods.items():
        order = Order(images_name, rows, task_name, seed, method, parameters, cache, threads)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            answer = pool.submit(apply_method, order).result()
        found.append(row(method, answer.pop("measures"), answer.pop("seconds"), **answer))
    return found


def apply_method(order: Order) -> dict[str, Any]:
    """Run a method in this process, which has done nothing else, and measure what it made."""
    torch.set_num_threads(order.threads)
    images = load_images(order.images, order.rows)
    task = make_task(order.task, images, order.seed)
    parent = original(images, task, order.seed, order.cache).model
    problem = problem_of(images, task, parent, order.seed, order.parameters)

    started = time.monotonic()
    unlearned = get_method(order.method).unlearn(problem, lambda _progress: None)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.monotonic()
    report = audited(problem, unlearned)
    return {
        "measures": measure(unlearned.model, images, task, order.seed),
        "seconds": seconds,
        "peak_mib": peak,
        "audit": report,
        "audit_seconds": time.monotonic() - started,
        "summary": {"method": unlearned.method, **unlearned.summary},
    }


def audited(problem: Problem, unlearned: Unlearned) -> dict[str, Any]:
    """The label-free audit, as a job runs it."""
    return audit(
        problem.model,
        unlearned.model,
        problem.fresh,
        problem.tap,
        remaining=problem.remaining,
        forgotten=problem.forgotten,
        holdout=problem.holdout,
        device=problem.device,
        seed=problem.seed,
        min_agreement=problem.min_agreement,
    ).to_dict()


def to_json(row: Row) -> dict[str, Any]:
    return asdict(row)
