"""`python -m bench.scale --rows 1000,10000 --forget 10,1% --json FILE`."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.processes import in_a_process
from bench.scale.measure import PHASES, Order, measure
from bench.unlearning.tables import machine


def count_of(text: str, rows: int) -> int:
    """A number of rows, or a share in per cent of so many."""
    return rows * int(text[:-1]) // 100 if text.endswith("%") else int(text)


def show(found: list[dict[str, Any]], console: Console) -> None:
    table = Table(title="Processor seconds of a job, by phase")
    for title in ("rows", "forgotten", "method", *PHASES, "sum", "one pass", "ratio"):
        table.add_column(title, justify="right")
    for title in ("peak MiB", "agreement", "level"):
        table.add_column(title, justify="right")
    for row in found:
        cpu = row["cpu_seconds"]
        table.add_row(
            f"{row['rows']:,}",
            f"{row['forget']:,}",
            " > ".join(row["tried"]),
            *(f"{cpu[phase]:.1f}" for phase in PHASES),
            f"{sum(cpu.values()):.1f}",
            f"{row['floor_cpu_seconds']:.2f}",
            f"{row['ratio']:.1f}",
            f"{row['peak_mib']:.0f}",
            f"{row['agreement']:.3f}",
            row["level"],
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale", description="What a job costs as the data grow."
    )
    parser.add_argument("--rows", default="1000,10000,100000,1000000")
    parser.add_argument("--forget", default="10,100,1%,10%", help="numbers, or shares in per cent")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".bench/scale").absolute())
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    # What this process reads of its datasets is read as a worker reads it.
    os.environ["UNLEARND_SOURCES"] = f"file://{given.folder.absolute()}"
    console = Console(width=180)
    found: list[dict[str, Any]] = []
    for rows in map(int, given.rows.split(",")):
        counts = sorted({count_of(text, rows) for text in given.forget.split(",")})
        for forget in counts:
            order = Order(given.folder.absolute(), rows, forget, given.threads)
            found.append(in_a_process(measure, order))
            console.print(
                f"{rows} rows, {forget} forgotten: {found[-1]['ratio']:.1f} passes", style="dim"
            )
            if given.json:
                content = {"facts": machine(given.threads), "rows": found}
                given.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    show(found, console)


if __name__ == "__main__":
    main()
