"""Representations as pictures: forgotten samples among test samples, network by network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from bench.unlearning.images import Images
from bench.unlearning.measures import BATCH, to_tensor
from bench.unlearning.tasks import Task
from workers.unlearning.tap import Tapped, find_tap

SHOWN = 800
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Representations (n, d) of forgotten and (m, d) of test samples, and the latter's classes."""

    forgotten: Floats
    test: Floats
    classes: npt.NDArray[np.int64]


@torch.no_grad()
def view(model: nn.Module, images: Images, task: Task, seed: int) -> View:
    """At most `SHOWN` samples of each set, the same ones for every network."""
    generator = np.random.default_rng(seed)
    gone = generator.permutation(np.flatnonzero(task.forgotten))[:SHOWN]
    test = generator.permutation(len(images.test))[:SHOWN]

    def represented(pixels: npt.NDArray[np.uint8]) -> Floats:
        inputs = to_tensor(pixels, images.scale).to(next(model.parameters()).device)
        model.eval()
        with Tapped(model, find_tap(model, inputs[:2])) as tapped:
            return torch.cat([tapped(batch)[0].cpu() for batch in inputs.split(BATCH)]).numpy()

    return View(
        represented(images.train.images[gone]),
        represented(images.test.images[test]),
        images.test.labels[test],
    )


def plane(found: View) -> tuple[Floats, Floats]:
    """Both sets in the plane of the test samples' two main axes, (n, 2) and (m, 2).

    Networks from different beginnings have no axes in common, so each gets its own plane.
    """
    centre = found.test.mean(axis=0)
    _, _, axes = np.linalg.svd(found.test - centre, full_matrices=False)
    return (found.forgotten - centre) @ axes[:2].T, (found.test - centre) @ axes[:2].T


def draw_views(tasks: dict[str, dict[str, View]], path: Path) -> None:
    """One row a task, one panel a network: test samples by class, forgotten ones in black."""
    columns = max(len(networks) for networks in tasks.values())
    figure = Figure(figsize=(3.2 * columns, 3.2 * len(tasks)), layout="constrained")
    FigureCanvasAgg(figure)
    for row, (task, networks) in enumerate(tasks.items()):
        for column, (name, found) in enumerate(networks.items()):
            axes = figure.add_subplot(len(tasks), columns, row * columns + column + 1)
            forgotten, test = plane(found)
            axes.scatter(
                test[:, 0], test[:, 1], c=found.classes, cmap="tab10", s=4, alpha=0.5, linewidths=0
            )
            axes.scatter(
                forgotten[:, 0], forgotten[:, 1], c="black", s=6, marker="x", linewidths=0.5
            )
            axes.set_title(f"{task}: {name}", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
    figure.savefig(path, dpi=120)
