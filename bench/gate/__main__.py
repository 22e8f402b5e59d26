"""`python -m bench.gate --images digits --tasks memorised-40 --seeds 4 --json FILE`."""

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.gate.candidates import BAD, GOOD, World
from bench.unlearning.compare import JOB_SEED, load_images, problem_of
from bench.unlearning.images import SOURCES
from bench.unlearning.measures import predict, to_tensor
from bench.unlearning.networks import original
from bench.unlearning.tables import machine
from bench.unlearning.tasks import make_task
from bench.unlearning.unlabelled import audited
from workers.statistics.floors import DEFAULT_MIN_AGREEMENT, Floors
from workers.unlearning.compute import Compute

DIGITS = "memorised-40,random-10,data-removal,class-removal-3,noisy-labels,known-100"


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
    images_name: str, rows: int | None, task_name: str, seed: int, cache: Path
) -> list[Verdict]:
    """All candidates of one task with one seed."""
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
    for name, make in {**GOOD, **BAD}.items():
        model = make(world)
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
                    name: f"{part['won']}:{part['lost']}"
                    for name, part in (utility["disputes"] or {}).items()
                },
                passes=utility["kept"],
                rule=utility["rule"],
                floor=floors.allow(*agreed),
            )
        )
    return found


def show(found: list[Verdict], console: Console) -> None:
    """Each network, and how often each kind passes."""
    table = Table(
        "task", "seed", "network", "Test", "by labels", "agreement", "won:lost", "gate", "floor"
    )
    for one in found:
        table.add_row(
            one.task,
            str(one.seed),
            one.network,
            f"{one.better:+.2f}",
            "{}:{}".format(*one.by_labels),
            f"{one.agreement:.3f} / {one.holdout_agreement:.3f}",
            " ".join(f"{name} {score}" for name, score in one.disputes.items()),
            f"passes, by {one.rule}" if one.passes else "refused",
            "passes" if one.floor else "refused",
        )
    console.print(table)
    tried, passed, by_floor = Counter[str](), Counter[str](), Counter[str]()
    change = defaultdict[str, list[float]](list)
    for one in found:
        tried[one.network] += 1
        passed[one.network] += one.passes
        by_floor[one.network] += one.floor
        change[one.network].append(one.better)
    summary = Table("network", "tried", "passes", "passes the fixed floor", "Test, mean")
    for name, count in tried.items():
        mean = f"{np.mean(change[name]):+.2f}"
        summary.add_row(name, str(count), str(passed[name]), str(by_floor[name]), mean)
    console.print(summary)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--images", choices=sorted(SOURCES), default="digits")
    parser.add_argument("--rows", type=int, help="take this many training samples only")
    parser.add_argument("--tasks", default=DIGITS)
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".bench/networks"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    console = Console(width=180)
    found: list[Verdict] = []
    for task in given.tasks.split(","):
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            console.print(f"{task}, seed {seed} ...", style="dim")
            found += judged(given.images, given.rows, task, seed, given.cache)
    show(found, console)
    if given.json:
        facts = machine(given.threads) | {"images": given.images, "rows": given.rows}
        rows = [asdict(one) for one in found]
        given.json.write_text(json.dumps({**facts, "networks": rows}, indent=2), encoding="utf-8")


main()
