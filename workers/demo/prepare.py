"""Make what the demo registers: a dataset in Parquet, and a network that was trained on it.

Some of the training samples get wrong labels first. A network can only know such samples by
heart, so what it remembers of them is seen well, and they are what the demo has deleted.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import nn

from service.core.settings import Settings
from workers.architectures import build
from workers.artifacts import CONFIG, WEIGHTS, write_json
from workers.demo.images import TASKS, Part, Task
from workers.device import cpu_threads
from workers.plan import Architecture
from workers.seeding import seed_everything

DESCRIPTION = "demo.json"


def prepare(dataset: str, target: Path, seed: int) -> dict[str, Any]:
    """Write data, network and `demo.json`, which says where they are and what to delete."""
    task = TASKS[dataset](seed)
    generator = np.random.default_rng(seed)
    wrong = generator.choice(len(task.train), task.mislabelled, replace=False)
    labels = task.train.labels.copy()
    labels[wrong] = (labels[wrong] + generator.integers(1, 10, len(wrong))) % 10
    train = Part(task.train.images, labels)

    ids = [f"{task.name}-{row:05d}" for row in range(len(train))]
    write_parquet(target / "train" / "part-0.parquet", ids[::2], train.rows(slice(0, None, 2)))
    write_parquet(target / "train" / "part-1.parquet", ids[1::2], train.rows(slice(1, None, 2)))
    held_out = [f"{task.name}-held-out-{row:05d}" for row in range(len(task.holdout))]
    write_parquet(target / "holdout" / "part-0.parquet", held_out, task.holdout)
    np.savez(
        target / "report.npz",
        train_images=train.images,
        train_labels=train.labels,
        forgotten=np.sort(wrong),
        test_images=task.test.images,
        test_labels=task.test.labels,
    )
    model = train_network(task, train, seed)
    folder = target / "model"
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / CONFIG, {"factory": task.factory, "classes": 10})
    description = {
        "name": task.name,
        "factory": task.factory,
        "shape": list(train.images.shape[1:]),
        "scale": task.scale,
        "train": (target / "train").as_uri() + "/*.parquet",
        "holdout": (target / "holdout").as_uri() + "/*.parquet",
        "model": folder.as_uri(),
        "rows": len(train),
        "forget": [ids[row] for row in np.sort(wrong)],
    }
    (target / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    return description


def write_parquet(path: Path, ids: list[str], part: Part) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = part.images.reshape(len(part), -1)
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    table = pa.table({"sample_id": ids, "pixels": pixels, "label": pa.array(part.labels)})
    pq.write_table(table, path)


def train_network(task: Task, train: Part, seed: int) -> nn.Module:
    """Train with cross-entropy until the training set is known nearly by heart."""
    settings = Settings()
    seed_everything(seed, settings.threads or cpu_threads())
    architecture = Architecture(kind="module", factory=task.factory, kwargs={})
    model = build(architecture, settings).train()
    inputs, labels = to_tensor(train.images, task.scale), torch.from_numpy(train.labels)
    steps = task.epochs * -(-len(train) // task.batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for _ in range(task.epochs):
        for rows in torch.randperm(len(train)).split(task.batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def to_tensor(images: npt.NDArray[np.uint8], scale: float) -> torch.Tensor:
    return torch.from_numpy(images.astype(np.float32)) * scale
