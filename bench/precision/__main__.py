"""`python -m bench.precision --threads 1 --json FILE`."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench.precision.measure import LONG, NETWORKS, Row, Training, changed, reading, steps
from bench.unlearning.images import fashion_mnist
from bench.unlearning.measures import to_tensor
from bench.unlearning.tables import machine
from workers.unlearning.precision import best_precision
from workers.zoo import fashion_cnn


def show(rows: list[Row], console: Console) -> None:
    table = Table(title="Processor milliseconds of one batch")
    for title in ("network", "work", "batch", "float32", "bfloat16", "float32 / bfloat16"):
        table.add_column(title, justify="right")
    for row in rows:
        cells = f"{row.float32:.2f}", f"{row.bfloat16:.2f}", f"{row.ratio:.2f}"
        table.add_row(row.network, row.work, str(row.batch), *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.precision", description="What fewer bits save, and what they change."
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=1000, help="of training, before decisions")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    torch.set_num_threads(given.threads)
    images = fashion_mnist()
    inputs = to_tensor(images.train.images, images.scale)
    labels = torch.from_numpy(images.train.labels)
    rows = [
        row
        for name in NETWORKS
        for row in (
            steps(name, inputs, labels, 32, given.rounds),
            steps(name, inputs, labels, 128, given.rounds),
            reading(name, inputs, 64, given.rounds),
        )
    ]
    torch.manual_seed(0)
    training = Training(fashion_cnn(), inputs, labels, 128)
    for _ in range(given.steps):
        training.step(LONG)
    share = changed(training.network, to_tensor(images.test.images, images.scale))

    console = Console(width=120)
    show(rows, console)
    console.print(f"bfloat16 changes {100 * share:.2f} % of a trained fashion_cnn's decisions.")
    auto = str(best_precision(torch.device("cpu"))).removeprefix("torch.")
    console.print(f"This machine's UNLEARND_PRECISION=auto is {auto}.")
    if given.json:
        facts = machine(given.threads) | {"auto": auto, "changed": share}
        content = {"facts": facts, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


main()
