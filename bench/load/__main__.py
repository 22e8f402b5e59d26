"""`python -m bench.load --parts requests,upload --rows 100000 --seconds 3 --json FILE`."""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import parts
from bench.load.servers import bare, service
from bench.unlearning.tables import machine

PARTS = ("datasets", "upload", "requests", "latency")


def numbers(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


def show(title: str, rows: list[dict[str, Any]], console: Console) -> None:
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(shown(value) for value in row.values()))
    console.print(table)


def shown(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return str(value)


def measure(given: argparse.Namespace, home: Path, console: Console) -> dict[str, Any]:
    """All parts that were asked for, on one service. The dataset parts always come first."""
    wanted = given.parts.split(",")
    sizes = numbers(given.rows)
    rows = sizes[-1]
    ids = min(given.upload, rows // 10)
    found: dict[str, Any] = {"facts": machine(1), "seconds_a_loop": given.seconds}

    def keep(title: str, name: str, measured: list[dict[str, Any]]) -> None:
        found[name] = measured
        show(title, measured, console)
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    with service(home, given.folder) as up:
        # The others need a dataset, so the first part is left out by naming few rows only.
        keep("Registering a dataset", "datasets", parts.datasets(up, given.folder, sizes))
        if "upload" in wanted:
            keep("Accepting an upload", "upload", [parts.upload(up, rows, ids)])
        if "requests" in wanted:
            url = json.loads((home / "run.json").read_text(encoding="utf-8"))["database_url"]
            with bare(url, home) as beside:
                measured = parts.requests(
                    up,
                    beside,
                    rows=rows,
                    first=ids,
                    ids=numbers(given.ids),
                    connections=numbers(given.connections),
                    seconds=given.seconds,
                )
            keep("Requests, beside a bare endpoint", "requests", measured)
        if "latency" in wanted:
            keep("Jobs, in seconds", "latency", parts.latency(up, given.folder, given.jobs))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description="What the service takes, on this machine alone."
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="some of the default, by commas")
    parser.add_argument("--rows", default="100000,1000000,10000000", help="datasets to register")
    parser.add_argument("--upload", type=int, default=1_000_000, help="IDs, a tenth at the most")
    parser.add_argument("--ids", default="1,100,10000", help="sample IDs a request")
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each loop, at least")
    parser.add_argument("--jobs", type=int, default=3, help="jobs whose start is waited for")
    parser.add_argument("--folder", type=Path, default=Path(".bench/load"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    unknown = set(given.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--parts knows {', '.join(PARTS)}, and not {', '.join(sorted(unknown))}")
    given.folder = given.folder.absolute()

    console = Console(width=160)
    started = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="unlearnd-load-"))
    try:
        measure(given, home, console)
    finally:
        shutil.rmtree(home)
    console.print(f"{time.monotonic() - started:.0f} s in all", style="dim")


if __name__ == "__main__":
    main()
