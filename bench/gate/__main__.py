"""`python -m bench.gate --images digits --tasks memorised-40 --seeds 4 --json FILE`."""

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.gate.candidates import BAD, GOOD
from bench.gate.verdicts import Verdict, judged
from bench.unlearning.images import SOURCES
from bench.unlearning.tables import machine

DIGITS = "memorised-40,random-10,data-removal,class-removal-3,noisy-labels,known-100"


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
    parser.add_argument("--networks", default=";".join((*GOOD, *BAD)), help="names, divided by ;")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".bench/networks"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := set(given.networks.split(";")) - {*GOOD, *BAD}:
        parser.error(f"unknown networks: {', '.join(sorted(unknown))}")
    torch.set_num_threads(given.threads)
    console = Console(width=180)
    found: list[Verdict] = []
    for task in given.tasks.split(","):
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            console.print(f"{task}, seed {seed} ...", style="dim")
            networks = given.networks.split(";")
            found += judged(given.images, given.rows, task, seed, given.cache, networks)
    show(found, console)
    if given.json:
        facts = machine(given.threads) | {"images": given.images, "rows": given.rows}
        rows = [asdict(one) for one in found]
        given.json.write_text(json.dumps({**facts, "networks": rows}, indent=2), encoding="utf-8")


main()
