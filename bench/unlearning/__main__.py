"""`python -m bench.unlearning --tasks data-removal --methods auto --seeds 3 --json FILE`."""

import argparse
import json
import os
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.unlearning.builds import checked_out
from bench.unlearning.compare import JOB_SEED, Row, compare
from bench.unlearning.images import SOURCES
from bench.unlearning.pictures import draw
from bench.unlearning.projection import View, draw_views
from bench.unlearning.rivals import known
from bench.unlearning.tables import grouped, machine, show, write
from bench.unlearning.tasks import TASKS

DEFAULT_TASKS = (
    "data-removal,class-removal-0,class-removal-3,class-removal-8,noisy-labels,"
    "random-1,random-10,random-100,memorised-100,memorised-100-by-10"
)


def listed(known: list[str]) -> Any:
    def read(text: str) -> list[str]:
        found = text.split(",")
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return found

    return read


def sizes(text: str) -> list[int | None]:
    return [None if size == "all" else int(size) for size in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.unlearning", description="Methods beside nothing and retraining."
    )
    parser.add_argument("--images", choices=sorted(SOURCES), default="fashion-mnist")
    parser.add_argument(
        "--rows",
        type=sizes,
        default=[None],
        help="take only so many training samples, or one size after the other: 1000,10000,all",
    )
    parser.add_argument("--tasks", type=listed(list(TASKS)), default=DEFAULT_TASKS)
    parser.add_argument(
        "--methods", type=listed(known()), default="auto,redirect,distil,guided,laf"
    )
    parser.add_argument("--parameters", type=json.loads, default={}, help="of all methods, JSON")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--job-seed", type=int, default=JOB_SEED, help="of a job, more than of its training"
    )
    parser.add_argument(
        "--again",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="retrain with another seed, too: what chance does",
    )
    parser.add_argument(
        "--audits",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="audit each network, too; what it costs is not counted as the method's",
    )
    parser.add_argument(
        "--against", metavar="COMMIT", help="run each method of that build as well, in its own tree"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=Path(".bench/networks"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path, help="PNG: mean gap against time")
    parser.add_argument("--projection", type=Path, help="PNG: representations before and after")
    given = parser.parse_args()

    console = Console(width=180)
    rows: list[Row] = []
    methods = dict.fromkeys(given.methods, given.parameters)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with checked_out(given.against) if given.against else nullcontext() as build:
        for task, size, seed in product(given.tasks, given.rows, seeds):
            console.print(f"{task}, {size or 'all'} rows, seed {seed} ...", style="dim")
            rows += compare(
                given.images,
                size,
                task,
                seed,
                methods,
                given.cache,
                given.threads,
                given.device,
                again=given.again,
                job_seed=given.job_seed,
                against=build,
                audits=given.audits,
            )
    show(rows, console)
    if given.json:
        facts = machine(given.threads, given.device)
        facts |= {
            "images": given.images,
            "seeds": given.seeds,
            "job_seed": given.job_seed,
            "parameters": given.parameters,
        }
        write(rows, given.json, facts)
    if given.picture:
        draw(rows, given.picture)
    if given.projection:
        draw_views(first_views(rows), given.projection)


def first_views(rows: list[Row]) -> dict[str, dict[str, View]]:
    """By task and method, of the first seed."""
    return {
        task: {method: found[0].view for method, found in methods.items() if found[0].view}
        for task, methods in grouped(rows).items()
    }


main()
