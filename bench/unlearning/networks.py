"""The trained networks of a task, kept on disk so that methods can be tried again for less."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bench.unlearning.images import Images
from bench.unlearning.measures import to_tensor
from bench.unlearning.tasks import Task
from bench.unlearning.training import Cost, train
from service.core.settings import Settings
from workers.architectures import build
from workers.plan import Architecture
from workers.unlearning.precision import best_precision


@dataclass(frozen=True)
class Network:
    """A trained network, what its training took, and whether that was now."""

    model: nn.Module
    cost: Cost
    cached: bool


def fresh(images: Images) -> nn.Module:
    """The network with fresh weights, from the global random state."""
    return build(Architecture(kind="module", factory=images.factory, kwargs={}), Settings())


def original(images: Images, task: Task, seed: int, cache: Path, device: torch.device) -> Network:
    """Trained on everything. It is on the device."""
    return _trained(images, task, np.ones(len(images.train), dtype=bool), seed, cache, device)


def oracle(images: Images, task: Task, seed: int, cache: Path, device: torch.device) -> Network:
    """Trained in the same way, with the same seed, without what is forgotten."""
    return _trained(images, task, ~task.forgotten, seed, cache, device)


def _trained(
    images: Images,
    task: Task,
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]],
    seed: int,
    cache: Path,
    device: torch.device,
) -> Network:
    computed = (
        {"device": torch.cuda.get_device_name(device)}
        if device.type == "cuda"
        else {"threads": torch.get_num_threads()}
    )
    what = {
        "images": images.name,
        "labels": hashlib.sha256(task.labels[kept].tobytes()).hexdigest(),
        "rows": hashlib.sha256(np.flatnonzero(kept).tobytes()).hexdigest(),
        "recipe": asdict(task.recipe),
        "optimizer": "fused Adam",
        "precision": str(best_precision(device)),
        "seed": seed,
        **computed,
    }
    name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]
    weights, facts = cache / f"{name}.safetensors", cache / f"{name}.json"
    torch.manual_seed(seed)
    model = fresh(images)
    if facts.exists():
        model.load_state_dict(load_file(weights))
        cost = Cost(**json.loads(facts.read_text(encoding="utf-8"))["cost"])
        return Network(model.to(device).eval(), cost, cached=True)
    model.to(device)
    inputs = to_tensor(images.train.images[kept], images.scale).to(device)
    labels = torch.from_numpy(task.labels[kept]).to(device)
    cost = train(model, inputs, labels, task.recipe, torch.Generator().manual_seed(seed))
    cache.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), weights)
    # The facts come last: without them the weights may be half-written.
    facts.write_text(json.dumps(what | {"cost": asdict(cost)}), encoding="utf-8")
    return Network(model, cost, cached=False)
