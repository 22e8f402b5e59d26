"""The trade-off as a picture: how far from the oracle, and how long it took."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.unlearning.compare import AGAIN, NOTHING, ORACLE, Row
from bench.unlearning.tables import cost_ratio, grouped


def draw(rows: list[Row], path: Path) -> None:
    """One panel a task, one point a method: mean gap against seconds over the oracle's."""
    tasks = grouped(rows)
    figure = Figure(figsize=(4.5 * len(tasks), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (task, methods) in enumerate(tasks.items()):
        axes = figure.add_subplot(1, len(tasks), index + 1)
        for method, found in methods.items():
            if method in (ORACLE, AGAIN):
                continue
            gap = float(np.mean([row.gaps["mean"] for row in found]))
            if method == NOTHING:
                axes.axhline(gap, color="grey", linestyle="--", linewidth=1)
                axes.annotate(method, (0.02, gap), xycoords=("axes fraction", "data"), va="bottom")
                continue
            cost = float(np.mean([cost_ratio(row) for row in found]))
            axes.plot(cost, gap, "o")
            axes.annotate(method, (cost, gap), xytext=(5, 5), textcoords="offset points")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(task)
        axes.set_xlabel("seconds / the oracle's")
        axes.set_ylabel("mean gap to the oracle, points")
    figure.savefig(path, dpi=120)
