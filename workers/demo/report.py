"""Accuracies before and after, with labels: only this report reads any."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from service.core.settings import Settings
from workers.architectures import build
from workers.artifacts import WEIGHTS
from workers.demo.prepare import to_tensor
from workers.plan import Architecture

BATCH = 1000


def report(target: Path, version: Path, factory: str, scale: float) -> dict[str, float]:
    """Accuracy of a published version on the remaining, the forgotten and the test samples.

    On the forgotten it is held against the labels that the network was trained with, which are
    the wrong ones: what is left of it is what the network remembers.
    """
    data = np.load(target / "report.npz")
    forgotten = np.zeros(len(data["train_labels"]), dtype=bool)
    forgotten[data["forgotten"]] = True
    parts = {
        "remaining": (data["train_images"][~forgotten], data["train_labels"][~forgotten]),
        "forgotten": (data["train_images"][forgotten], data["train_labels"][forgotten]),
        "test": (data["test_images"], data["test_labels"]),
    }
    model = build(Architecture(kind="module", factory=factory, kwargs={}), Settings()).eval()
    model.load_state_dict(load_file(version / WEIGHTS))
    accuracies = {}
    with torch.no_grad():
        for name, (images, labels) in parts.items():
            batches = to_tensor(images, scale).split(BATCH)
            predicted = torch.cat([model(batch).argmax(1) for batch in batches])
            accuracies[name] = (predicted == torch.from_numpy(labels)).double().mean().item()
    return accuracies
