"""What the gate says of networks whose worth is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.gate.candidates import BAD, GOOD, World
from bench.unlearning.compare import JOB_SEED, load_images, problem_of
from bench.unlearning.measures import predict, to_tensor
from bench.unlearning.networks import original
from bench.unlearning.tasks import make_task
from bench.unlearning.unlabelled import audited
from workers.statistics.floors import DEFAULT_MIN_AGREEMENT, Floors
from workers.unlearning.compute import Compute


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one network, and what labels say.

    better: the accuracy on test samples less that of the parent, in points. by_labels: of the
    disputed test samples, how many the candidate is right about, and how many the parent is.
    floor: whether the fixed floor of agreement alone lets it pass.
    """

    task: str
    seed: int
    network: str
    good: bool
    better: float
    by_labels: tuple[int, int]
    agreement: float
    holdout_agreement: float
    disputes: dict[str, str]
    passes: bool
    rule: str
    floor: bool


def judged(
    images_name: str,
    rows: int | None,
    task_name: str,
    seed: int,
    cache: Path,
    networks: Sequence[str] = (*GOOD, *BAD),
) -> list[Verdict]:
    """The verdicts on candidates of one task with one seed, each made by its name.

    images_name: of `bench.unlearning.images`. rows: so many training samples, or all. cache: a
    folder of trained networks.
    """
    images = load_images(images_name, rows)
    task = make_task(task_name, images, seed)
    parent = original(images, task, seed, cache, torch.device("cpu")).model
    world = World(images, task, seed, cache, parent)
    gone, nothing = np.flatnonzero(task.forgotten), np.empty(0, dtype=np.int64)
    problem = problem_of(images, gone, nothing, parent, seed + JOB_SEED, {}, Compute())
    floors = Floors(DEFAULT_MIN_AGREEMENT, len(problem.forgotten), len(problem.remaining))
    test, labels = to_tensor(images.test.images, images.scale), torch.from_numpy(images.test.labels)
    before = predict(parent, test).argmax(dim=1)
    found = []
    for name in networks:
        model = (GOOD | BAD)[name](world)
        report, _ = audited(problem, model)
        after, utility = predict(model, test).argmax(dim=1), report["utility"]
        right, was_right = (said == labels for said in (after, before))
        agreed = report["remaining"]["agreement"], report["holdout"]["agreement"]
        found.append(
            Verdict(
                task=task_name,
                seed=seed,
                network=name,
                good=name in GOOD,
                better=100 * float(right.double().mean() - was_right.double().mean()),
                by_labels=(int((right & ~was_right).sum()), int((was_right & ~right).sum())),
                agreement=agreed[0],
                holdout_agreement=agreed[1],
                disputes={
                    name: " + ".join(f"{one['won']}:{one['lost']}" for one in of["counts"].values())
                    for name, of in (utility["disputes"] or {}).items()
                },
                passes=utility["kept"],
                rule=utility["rule"],
                floor=floors.allow(*agreed),
            )
        )
    return found
