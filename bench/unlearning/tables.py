"""From rows to tables for people, and JSON for everybody else."""

import json
import platform
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.unlearning.compare import NOTHING, Row, to_json

COLUMNS = ("train_r", "train_f", "test", "asr", "memorisation_gap")
TITLES = ("Train_r", "Train_f", "Test", "ASR", "mem. gap")


def machine(threads: int) -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def grouped(rows: list[Row]) -> dict[str, dict[str, list[Row]]]:
    """By task and then by method, in the order in which they came; one row a seed."""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.task][row.method].append(row)
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
    """A table a task: means over the seeds."""
    for task, methods in grouped(rows).items():
        seeds = len(next(iter(methods.values())))
        table = Table(title=f"{task}: means over {seeds} seed(s), accuracies in per cent")
        table.add_column("method")
        for title in (
            *TITLES,
            "mean gap",
            "gap closed",
            "agreement",
            "level",
            "s",
            "CPU s",
            "/ oracle",
        ):
            table.add_column(title, justify="right")
        table.add_column("peak MiB", justify="right")
        for method, found in methods.items():
            table.add_row(method, *cells(found, methods[NOTHING]))
        console.print(table)


def cells(found: list[Row], nothing: list[Row]) -> list[str]:
    share = closed(found, nothing)
    audits = [row.audit for row in found if row.audit is not None]
    seconds = float(np.mean([row.cost.seconds for row in found]))
    cpu = float(np.mean([row.cost.cpu_seconds for row in found]))
    oracle = float(np.mean([row.oracle_cost.cpu_seconds for row in found]))
    peaks = [row.peak_mib for row in found if row.peak_mib is not None]
    return [
        *(f"{mean(found, column):.2f}" for column in COLUMNS),
        f"{np.mean([row.gaps['mean'] for row in found]):.2f}",
        "" if share is None else f"{100 * share:.0f} %",
        f"{np.mean([a['remaining']['agreement'] for a in audits]):.3f}" if audits else "",
        " ".join(sorted({audit["level"] for audit in audits})),
        f"{seconds:.1f}",
        f"{cpu:.1f}",
        f"{cpu / oracle:.3f}",
        f"{max(peaks):.0f}" if peaks else "",
    ]


def write(rows: list[Row], path: Path, facts: dict[str, Any]) -> None:
    content = {"facts": facts, "rows": [to_json(row) for row in rows]}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
