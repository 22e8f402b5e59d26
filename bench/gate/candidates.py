"""Networks whose worth is known: retrained ones, and ones that were ruined."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.unlearning.compare import JOB_SEED, problem_of
from bench.unlearning.images import CLASSES, Images
from bench.unlearning.measures import predict, to_tensor
from bench.unlearning.networks import fresh, oracle
from bench.unlearning.tasks import Task
from bench.unlearning.training import train
from workers.unlearning.compute import Compute
from workers.unlearning.registry import get_method

# Passes over a tenth of the data: as many steps as one pass over all of it takes.
PASSES = 10
# An edit goes too far once so many decisions about held-out samples have changed.
TOO_FAR = 0.04
STEPS = 200


@dataclass(frozen=True)
class World:
    """One task with one seed, and the network that was trained on all of it."""

    images: Images
    task: Task
    seed: int
    cache: Path
    parent: nn.Module

    @property
    def remaining(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.flatnonzero(~self.task.forgotten)

    def generator(self) -> torch.Generator:
        """Its seed is not that of the first weights, so that draws do not depend on them."""
        return torch.Generator().manual_seed(self.seed + 3000)

    def inputs(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        return to_tensor(self.images.train.images[rows], self.images.scale)


def retrained(world: World) -> nn.Module:
    """As the parent was trained, without what is forgotten."""
    return oracle(world.images, world.task, world.seed, world.cache, torch.device("cpu")).model


def retrained_otherwise(world: World) -> nn.Module:
    """The same with another seed."""
    seed = world.seed + 1000
    return oracle(world.images, world.task, seed, world.cache, torch.device("cpu")).model


def student(world: World) -> nn.Module:
    """What distillation makes, with no labels."""
    gone, nothing = np.flatnonzero(world.task.forgotten), np.empty(0, dtype=np.int64)
    problem = problem_of(
        world.images, gone, nothing, world.parent, world.seed + JOB_SEED, {}, Compute()
    )
    return get_method("distil").unlearn(problem, lambda _progress: None).model


def tuned_on_a_tenth(world: World) -> nn.Module:
    """The parent, trained on a tenth of what remains with labels."""
    return _on_a_tenth(world, deepcopy(world.parent), PASSES)


def trained_on_a_tenth(world: World) -> nn.Module:
    """A network with fresh weights, trained on a tenth of what remains."""
    torch.manual_seed(world.seed + 2000)
    return _on_a_tenth(world, fresh(world.images), world.task.recipe.epochs)


def _on_a_tenth(world: World, model: nn.Module, epochs: int) -> nn.Module:
    remaining = torch.from_numpy(world.remaining)
    order = torch.randperm(len(remaining), generator=world.generator())
    rows = remaining[order[: len(remaining) // 10]].numpy()
    labels = torch.from_numpy(world.task.labels[rows])
    recipe = replace(world.task.recipe, epochs=epochs)
    train(model, world.inputs(rows), labels, recipe, world.generator())
    return model


def zeroed(share: float) -> Callable[[World], nn.Module]:
    """The parent, with that share of its weights set to 0 at random."""

    def make(world: World) -> nn.Module:
        model, generator = deepcopy(world.parent), world.generator()
        with torch.no_grad():
            for weights in model.parameters():
                weights[torch.rand(weights.shape, generator=generator) < share] = 0.0
        return model

    return make


def collapsed(world: World) -> nn.Module:
    """The parent, which never decides for one of the classes any more."""
    model = deepcopy(world.parent)
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    shares = np.bincount(world.task.labels[world.remaining], minlength=CLASSES)
    with torch.no_grad():
        head.bias[int(shares.argmax())] -= 1e4
    return model


def over_forgotten(world: World) -> nn.Module:
    """The parent after gradient ascent on what is forgotten, until it has lost other answers."""
    model, generator = deepcopy(world.parent), world.generator()
    gone = world.inputs(np.flatnonzero(world.task.forgotten))
    unseen = to_tensor(world.images.holdout.images, world.images.scale)
    said = predict(world.parent, gone).argmax(dim=1)
    before = predict(world.parent, unseen).argmax(dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    for _ in range(STEPS):
        rows = torch.randint(len(gone), (min(64, len(gone)),), generator=generator)
        loss = -functional.cross_entropy(model.train()(gone[rows]), said[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        changed = predict(model, unseen).argmax(dim=1) != before
        if float(changed.double().mean()) > TOO_FAR:
            break
    return model.eval()


GOOD: dict[str, Callable[[World], nn.Module]] = {
    "retrained": retrained,
    "retrained, other seed": retrained_otherwise,
    "student": student,
}
BAD: dict[str, Callable[[World], nn.Module]] = {
    "tuned on a tenth": tuned_on_a_tenth,
    "trained on a tenth": trained_on_a_tenth,
    "5 % of weights zeroed": zeroed(0.05),
    "15 % of weights zeroed": zeroed(0.15),
    "a class collapsed": collapsed,
    "over-forgotten": over_forgotten,
}
