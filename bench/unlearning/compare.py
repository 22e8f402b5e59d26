"""One task, one seed: the original, the oracle, and every method, side by side."""

import resource
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.processes import in_a_process
from bench.unlearning.builds import Build, answered_by
from bench.unlearning.images import SOURCES, Images
from bench.unlearning.measures import Measures, measure
from bench.unlearning.networks import fresh, oracle, original
from bench.unlearning.projection import View, view
from bench.unlearning.rivals import named
from bench.unlearning.tasks import make_task
from bench.unlearning.training import Cost, Stopwatch
from bench.unlearning.unlabelled import agreements, audited
from workers.data.samples import MappedSamples
from workers.device import choose_compute
from workers.evaluation.judge import judged
from workers.seeding import seed_everything
from workers.unlearning.base import Problem
from workers.unlearning.compute import Compute
from workers.unlearning.inputs import to
from workers.unlearning.ranks import Ranks
from workers.unlearning.tap import find_tap

MIN_AGREEMENT = 0.97
NOTHING = "do nothing"
ORACLE = "retrain (oracle)"
AGAIN = "retrain, other seed"
# Far from the seeds that are counted from 0.
OTHER_SEED = 1000
# No job knows the seed that its model was trained with: with that one, a student would begin with
# the very weights that the original and the oracle began with.
JOB_SEED = 500


@dataclass(frozen=True)
class Row:
    """What came of one way to answer one deletion; all but an outsider's network is audited.

    cost: of the method alone, reading the data included; `audit_cost` of the audit after it.
    oracle_cached: the oracle was trained in an earlier run, as long as it took then. requests:
    what the method says of each request. peak_mib: the most memory that its process held on the
    host, data and libraries included. view: for the picture, if it is wanted. device: what all of
    it ran on. rows: so many training samples, None for all. build: the commit that answered, None
    for this one. agreements: shares of remaining and held-out samples decided as the parent does.
    """

    task: str
    seed: int
    method: str
    measures: Measures
    gaps: dict[str, float]
    cost: Cost
    oracle_cost: Cost
    oracle_cached: bool
    peak_mib: float | None
    audit: dict[str, Any] | None
    audit_cost: Cost | None
    requests: list[dict[str, Any]]
    view: View | None
    device: str
    rows: int | None = None
    build: str | None = None
    agreements: dict[str, float] | None = None


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
    device: str
    job_seed: int
    audits: bool = True


def load_images(name: str, rows: int | None) -> Images:
    images = SOURCES[name]()
    return images if rows is None else images.some(rows)


def problem_of(
    images: Images,
    gone: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    model: nn.Module,
    seed: int,
    parameters: dict[str, Any],
    compute: Compute,
    origin: nn.Module | None = None,
) -> Problem:
    """What a method gets to see of a request for the rows `gone`: no labels, and no test samples.

    `before` are the rows that earlier requests have deleted. It is computed where `model` is.
    """
    everything = images.train.images
    held_out = images.holdout.images
    kept = np.ones(len(everything), dtype=bool)
    kept[gone] = kept[before] = False
    remaining = MappedSamples(everything, np.flatnonzero(kept), images.scale)
    device = next(model.parameters()).device
    return judged(
        Problem(
            model=model,
            fresh=lambda: fresh(images),
            tap=find_tap(model, to(remaining.batch(torch.arange(2)), device)),
            remaining=remaining,
            forgotten=MappedSamples(everything, gone, images.scale),
            holdout=MappedSamples(held_out, np.arange(len(held_out)), images.scale),
            device=device,
            seed=seed,
            min_agreement=MIN_AGREEMENT,
            parameters=parameters,
            compute=compute,
            origin=origin,
        )
    )


def compare(
    images_name: str,
    rows: int | None,
    task_name: str,
    seed: int,
    methods: dict[str, dict[str, Any]],
    cache: Path,
    threads: int,
    device_name: str = "cpu",
    *,
    again: bool = False,
    job_seed: int = JOB_SEED,
    against: Build | None = None,
    audits: bool = True,
) -> list[Row]:
    """The original, the oracle and each method (name -> its parameters) on one task.

    Jobs have the seed `seed + job_seed`, which is not that of any training.
    With `again`, an oracle of another seed, too: how far it is from the oracle, no method can be
    blamed for. `against` another build, each method is answered by that one, too.
    """
    torch.set_num_threads(threads)
    device = torch.device(device_name)
    images = load_images(images_name, rows)
    task = make_task(task_name, images, seed)
    first = original(images, task, seed, cache, device)
    second = oracle(images, task, seed, cache, device)
    truth = measure(second.model, images, task, seed)
    before = measure(first.model, images, task, seed)

    everyone, nobody = np.flatnonzero(task.forgotten), np.empty(0, dtype=np.int64)
    asked = problem_of(images, everyone, nobody, first.model, seed + job_seed, {}, Compute())

    def row(method: str, measures: Measures, cost: Cost, **more: Any) -> Row:
        return Row(
            task=task_name,
            seed=seed,
            method=method,
            measures=measures,
            gaps=measures.gaps(truth),
            cost=cost,
            oracle_cost=second.cost,
            oracle_cached=second.cached,
            device=device_name,
            rows=rows,
            **more,
        )

    def reference(
        method: str, model: nn.Module, measures: Measures, cost: Cost, **more: Any
    ) -> Row:
        report, audit_cost = audited(asked, model) if audits else (None, None)
        seen = view(model, images, task, seed)
        facts = {"peak_mib": None, "requests": [], "agreements": agreements(asked, model), **more}
        return row(method, measures, cost, audit=report, audit_cost=audit_cost, view=seen, **facts)

    found = [
        reference(NOTHING, first.model, before, Cost(0.0, 0.0)),
        reference(ORACLE, second.model, truth, second.cost),
    ]
    if again:
        other = oracle(images, task, seed + OTHER_SEED, cache, device)
        found.append(
            reference(AGAIN, other.model, measure(other.model, images, task, seed), other.cost)
        )
    for method, parameters in methods.items():
        order = Order(
            images_name,
            rows,
            task_name,
            seed,
            method,
            parameters,
            cache,
            threads,
            device_name,
            job_seed,
            audits,
        )
        answer = in_a_process(apply_method, order)
        found.append(row(method, answer.pop("measures"), answer.pop("cost"), **answer))
        if against is not None:
            made = answered_by(against, job_of(order), images, task, first.model)
            found.append(
                reference(
                    f"{method} @{against.commit}",
                    made.model,
                    measure(made.model, images, task, seed),
                    made.cost,
                    peak_mib=made.peak_mib,
                    requests=made.requests,
                    build=against.commit,
                )
            )
    return found


def job_of(order: Order) -> dict[str, Any]:
    """The fields of an order that another build needs, as JSON."""
    told = ("method", "parameters", "seed", "job_seed", "threads", "device")
    return {name: getattr(order, name) for name in told}


def apply_method(order: Order) -> dict[str, Any]:
    """Run a method in this process, which has done nothing else, and measure what it made."""
    with tempfile.TemporaryDirectory() as scratch:
        return _applied(order, torch.device(order.device), Path(scratch))


def _applied(order: Order, device: torch.device, scratch: Path) -> dict[str, Any]:
    # As the runner of a job does it.
    seed_everything(order.seed, order.threads)
    compute = choose_compute(device, Ranks(), "auto", "auto", scratch)
    images = load_images(order.images, order.rows)
    task = make_task(order.task, images, order.seed)
    parent = original(images, task, order.seed, order.cache, device).model
    nothing = np.empty(0, dtype=np.int64)

    watch = Stopwatch(device)
    model, origin, gone, made = parent, None, nothing, []
    for number, rows in enumerate(task.requests()):
        seed = order.seed + order.job_seed + number
        problem = problem_of(images, rows, gone, model, seed, order.parameters, compute, origin)
        unlearned = named(order.method).unlearn(problem, lambda _progress: None)
        # As jobs do it: an edit of an edit is held to what the first one was an edit of.
        origin = (origin or model) if unlearned.edited else None
        model, gone = unlearned.model, np.concatenate([gone, rows])
        made.append({"method": unlearned.method, **unlearned.summary})
    cost = watch.read()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seed = order.seed + order.job_seed
    asked = problem_of(images, gone, nothing, parent, seed, {}, compute)
    report, audit_cost = audited(asked, model) if order.audits else (None, None)
    return {
        "measures": measure(model, images, task, order.seed),
        "cost": cost,
        "peak_mib": peak,
        "audit": report,
        "audit_cost": audit_cost,
        "agreements": agreements(asked, model),
        "requests": made,
        "view": view(model, images, task, order.seed),
    }


def to_json(row: Row) -> dict[str, Any]:
    """All but the picture's points."""
    return {name: value for name, value in asdict(row).items() if name != "view"}
