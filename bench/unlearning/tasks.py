"""What is deleted: the tasks of the LAF paper, and those that deletion by sample ID brings."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.unlearning.images import CLASSES, Images
from bench.unlearning.training import Recipe

# As the paper's code trains: 20 passes of Adam at 1e-4, in batches of 32.
PAPER = Recipe(epochs=20, batch=32, learning_rate=1e-4, weight_decay=1e-4, schedule="constant")


@dataclass(frozen=True)
class Task:
    """What is deleted: `labels` (n,) are those that were trained with, `forgotten` (n,) is a mask.

    It comes in `rounds` requests of about equal size, one after the other on one lineage.
    """

    name: str
    recipe: Recipe
    labels: npt.NDArray[np.int64]
    forgotten: npt.NDArray[np.bool_]
    rounds: int = 1

    def requests(self) -> list[npt.NDArray[np.int64]]:
        """The rows of each request, in order."""
        return np.array_split(np.flatnonzero(self.forgotten), self.rounds)


Maker = Callable[[Images, np.random.Generator], Task]


def data_removal(images: Images, generator: np.random.Generator) -> Task:
    """40 % of the classes 5 to 9."""
    chosen = _share_of(images.train.labels, range(5, CLASSES), 0.4, generator)
    return Task("data-removal", PAPER, images.train.labels, chosen)


def class_removal(removed: int) -> Maker:
    """All of one class."""

    def make(images: Images, _generator: np.random.Generator) -> Task:
        chosen = images.train.labels == removed
        return Task(f"class-removal-{removed}", PAPER, images.train.labels, chosen)

    return make


def noisy_labels(images: Images, generator: np.random.Generator) -> Task:
    """60 % of the classes 0 to 4 get another label at random before training, and are deleted."""
    chosen = _share_of(images.train.labels, range(5), 0.6, generator)
    labels = _relabelled(images.train.labels, chosen, generator)
    return Task("noisy-labels", PAPER, labels, chosen)


def random_samples(count: int) -> Maker:
    """A few samples, whichever."""

    def make(images: Images, generator: np.random.Generator) -> Task:
        chosen = np.zeros(len(images.train), dtype=bool)
        chosen[generator.choice(len(images.train), count, replace=False)] = True
        return Task(f"random-{count}", PAPER, images.train.labels, chosen)

    return make


def memorised_samples(count: int) -> Maker:
    """Samples with wrong labels, in a network that was trained until it knows them by heart."""

    def make(images: Images, generator: np.random.Generator) -> Task:
        chosen = np.zeros(len(images.train), dtype=bool)
        chosen[generator.choice(len(images.train), count, replace=False)] = True
        labels = _relabelled(images.train.labels, chosen, generator)
        return Task(f"memorised-{count}", images.by_heart, labels, chosen)

    return make


def known_samples(count: int) -> Maker:
    """Samples with their own labels, in a network that knows by heart what it was trained on."""

    def make(images: Images, generator: np.random.Generator) -> Task:
        chosen = np.zeros(len(images.train), dtype=bool)
        chosen[generator.choice(len(images.train), count, replace=False)] = True
        return Task(f"known-{count}", images.by_heart, images.train.labels, chosen)

    return make


def in_a_row(rounds: int, of: Maker) -> Maker:
    """The same samples, deleted by that many requests one after the other."""

    def make(images: Images, generator: np.random.Generator) -> Task:
        task = of(images, generator)
        return replace(task, name=f"{task.name}-by-{rounds}", rounds=rounds)

    return make


TASKS: dict[str, Maker] = {
    "data-removal": data_removal,
    **{f"class-removal-{removed}": class_removal(removed) for removed in range(CLASSES)},
    "noisy-labels": noisy_labels,
    **{f"random-{count}": random_samples(count) for count in (1, 10, 100)},
    "known-100": known_samples(100),
    "known-1000": known_samples(1000),
    "memorised-40": memorised_samples(40),
    "memorised-100": memorised_samples(100),
    "memorised-40-by-4": in_a_row(4, memorised_samples(40)),
    "memorised-100-by-10": in_a_row(10, memorised_samples(100)),
}


def make_task(name: str, images: Images, seed: int) -> Task:
    """The task of that name; the same seed chooses the same samples."""
    # The name without its rounds: the same samples, and so the same networks, however they come.
    drawn = zlib.crc32(name.partition("-by-")[0].encode())
    return TASKS[name](images, np.random.default_rng([seed, drawn]))


def _share_of(
    labels: npt.NDArray[np.int64],
    classes: range,
    share: float,
    generator: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(labels), dtype=bool)
    for label in classes:
        rows = generator.permutation(np.flatnonzero(labels == label))
        chosen[rows[: round(share * len(rows))]] = True
    return chosen


def _relabelled(
    labels: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.bool_],
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Another class for each chosen sample, all nine equally likely."""
    changed = labels.copy()
    shift = generator.integers(1, CLASSES, int(chosen.sum()))
    changed[chosen] = (changed[chosen] + shift) % CLASSES
    return changed
