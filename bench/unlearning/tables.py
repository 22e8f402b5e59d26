"""From rows to tables for people, and JSON for everybody else.

`python -m bench.unlearning.tables FILE...` shows what several runs have written as one table.
"""

import argparse
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.unlearning.compare import NOTHING, Row, to_json
from bench.unlearning.measures import Measures
from bench.unlearning.training import Cost
from workers.unlearning.precision import best_precision

COLUMNS = ("train_r", "train_f", "test", "asr", "memorisation_gap")
TITLES = ("Train_r", "Train_f", "Test", "ASR", "mem. gap")
CHECKS = ("contradiction", "per_sample", "representation", "rebound")


def machine(threads: int, device: str = "cpu") -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": threads,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "precision": str(best_precision(torch.device(device))).removeprefix("torch."),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def grouped(rows: list[Row]) -> dict[str, dict[str, list[Row]]]:
    """By task and then by method, in the order in which they came; one row a seed.

    A task with fewer training samples than there are is one of its own.
    """
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[named(row)][row.method].append(row)
    return found


def named(row: Row) -> str:
    return row.task if row.rows is None else f"{row.task}, {row.rows} rows"


def by_size(rows: list[Row]) -> dict[str, dict[str, dict[str, list[Row]]]]:
    """By task, then by its name with the size, then by method."""
    found: dict[str, dict[str, dict[str, list[Row]]]] = defaultdict(dict)
    names = {named(row): row.task for row in rows}
    for name, methods in grouped(rows).items():
        found[names[name]][name] = methods
    return found


def mean(rows: list[Row], value: str) -> float:
    return float(np.mean([getattr(row.measures, value) for row in rows]))


def closed(rows: list[Row], nothing: list[Row]) -> float | None:
    """Of the way in memorisation gap from doing nothing to the oracle, the share that was gone.

    1 is where the oracle is, below 0 is farther from it than before. None if there is no distance.
    """
    apart = float(np.mean([row.gaps["memorisation_gap"] for row in nothing]))
    if apart < 0.5:
        return None
    return 1.0 - float(np.mean([row.gaps["memorisation_gap"] for row in rows])) / apart


def show(rows: list[Row], console: Console) -> None:
    """Tables of each task: means over the seeds, distances to the oracle with the audit, builds."""
    for task, sizes in by_size(rows).items():
        seeds = len(next(iter(next(iter(sizes.values())).values())))
        table = Table(title=f"{task}: means over {seeds} seed(s), accuracies in per cent")
        titles = (*TITLES, "mean gap", "gap closed", "agreement", "level", "s", "CPU s", "/ oracle")
        add_columns(table, ("rows", "method"), (*titles, "peak MiB"))
        for methods in sizes.values():
            for method, found in methods.items():
                table.add_row(size_of(found), method, *cells(found, methods[NOTHING]))
            table.add_section()
        console.print(table)
        console.print(distances(task, sizes))
        if any(row.build for row in rows if row.task == task):
            console.print(builds(task, sizes))
        if any(row.oracle_cached for methods in sizes.values() for row in methods[NOTHING]):
            console.print(
                "An oracle was trained in an earlier run: its seconds are of then.", style="dim"
            )


def add_columns(table: Table, left: Iterable[str], right: Iterable[str]) -> None:
    for title in left:
        table.add_column(title)
    for title in right:
        table.add_column(title, justify="right")


def size_of(found: list[Row]) -> str:
    return "all" if found[0].rows is None else str(found[0].rows)


def distances(task: str, sizes: dict[str, dict[str, list[Row]]]) -> Table:
    """How far each is from the oracle, column by column, and what the audit says of it."""
    table = Table(title=f"{task}: mean distance to the oracle, and the audit")
    add_columns(table, ("rows", "method"), (*TITLES, "audit, CPU s"))
    table.add_column("told by, in how many seeds")
    for methods in sizes.values():
        for method, found in methods.items():
            costs = [row.audit_cost.cpu_seconds for row in found if row.audit_cost is not None]
            told = Counter(name for row in found if row.audit for name in told_by(row.audit))
            table.add_row(
                size_of(found),
                method,
                *(f"{np.mean([row.gaps[column] for row in found]):.2f}" for column in COLUMNS),
                f"{np.mean(costs):.1f}" if costs else "",
                ", ".join(f"{name} {count}" for name, count in told.items()),
            )
        table.add_section()
    return table


def builds(task: str, sizes: dict[str, dict[str, list[Row]]]) -> Table:
    """Both builds' costs of each method, from one run, and the ratio of this one's to the other."""
    table = Table(title=f"{task}: this build, and the commit it is held against")
    right = ("seeds", "s", "s, commit", "CPU s", "CPU s, commit", "CPU ratio")
    add_columns(table, ("rows", "method", "commit"), right)
    for methods in sizes.values():
        for found in methods.values():
            if found[0].build is None:
                continue
            method = found[0].method.removesuffix(f" @{found[0].build}")
            mine = methods[method]
            seconds, cpu = (
                [
                    float(np.mean([getattr(row.cost, kind) for row in rows]))
                    for rows in (mine, found)
                ]
                for kind in ("seconds", "cpu_seconds")
            )
            table.add_row(
                size_of(found),
                method,
                found[0].build,
                str(len(found)),
                *(f"{value:.1f}" for value in (*seconds, *cpu)),
                f"{cpu[0] / cpu[1]:.2f}",
            )
    return table


def told_by(report: dict[str, Any]) -> list[str]:
    """Which checks of an audit tell forgotten samples from held-out ones."""
    checks = dict(report["membership"] or {})
    checks |= {name: report[name] for name in CHECKS}
    return [name for name, found in checks.items() if found is not None and not found["passed"]]


def cells(found: list[Row], nothing: list[Row]) -> list[str]:
    share = closed(found, nothing)
    audits = [row.audit for row in found if row.audit is not None]
    seconds = float(np.mean([row.cost.seconds for row in found]))
    cpu = float(np.mean([row.cost.cpu_seconds for row in found]))
    ratio = float(np.mean([cost_ratio(row) for row in found]))
    peaks = [row.peak_mib for row in found if row.peak_mib is not None]
    return [
        *(f"{mean(found, column):.2f}" for column in COLUMNS),
        f"{np.mean([row.gaps['mean'] for row in found]):.2f}",
        "" if share is None else f"{100 * share:.0f} %",
        " / ".join(agreed(found, name) for name in ("remaining", "holdout")),
        " ".join(sorted({audit["level"] for audit in audits})),
        f"{seconds:.1f}",
        f"{cpu:.1f}",
        f"{ratio:.3f}",
        f"{max(peaks):.0f}" if peaks else "",
    ]


def agreed(found: list[Row], name: str) -> str:
    """The mean agreement on a set, or a dash where it was not measured."""
    told = [row.agreements[name] for row in found if row.agreements and name in row.agreements]
    return f"{np.mean(told):.3f}" if told else "-"


def cost_ratio(row: Row) -> float:
    """The method's seconds over the oracle's, as they are counted on the row's device."""
    device = torch.device(row.device)
    return row.cost.on(device) / row.oracle_cost.on(device)


def write(rows: list[Row], path: Path, facts: dict[str, Any]) -> None:
    content = {"facts": facts, "rows": [to_json(row) for row in rows]}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """The rows that `write` has written, without the points of the picture."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [
        Row(
            **row
            | {
                "measures": Measures(**row["measures"]),
                "cost": Cost(**row["cost"]),
                "oracle_cost": Cost(**row["oracle_cost"]),
                "audit_cost": row["audit_cost"] and Cost(**row["audit_cost"]),
                "view": None,
            }
        )
        for row in rows
    ]


def together(rows: list[Row]) -> list[Row]:
    """One row a task, seed and method: nothing and the oracle stand in every run's file."""
    return list({(named(row), row.seed, row.method): row for row in rows}.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.unlearning.tables")
    parser.add_argument("files", type=Path, nargs="+", help="JSON, of bench.unlearning")
    found = [row for path in parser.parse_args().files for row in read(path)]
    show(together(found), Console(width=180))
