"""What is measured of a network, with labels: for reports only."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from bench.unlearning.images import CLASSES, Images
from bench.unlearning.tasks import Task

BATCH = 500
ATTACK_SAMPLES = 5000
# Which samples an attack is fitted to moves its accuracy, about as much as methods do.
ATTACKS = 5


@dataclass(frozen=True)
class Measures:
    """In per cent.

    train_r, train_f, test: accuracies on remaining, forgotten and test samples; on the first two
    against the labels that were trained with. asr: accuracy of the paper's membership attack, as a
    mean over `ATTACKS` draws of what it is fitted to.
    memorisation_gap: train_f minus what it would be on test samples of the same classes in the
    same proportions, which is what is remembered of the samples themselves.
    """

    train_r: float
    train_f: float
    test: float
    asr: float
    memorisation_gap: float

    def gaps(self, oracle: "Measures") -> dict[str, float]:
        """The distance to the oracle, column by column, and their mean over the paper's four."""
        mine, its = asdict(self), asdict(oracle)
        apart = {name: abs(mine[name] - its[name]) for name in mine}
        paper = [apart[name] for name in ("train_r", "train_f", "test", "asr")]
        return apart | {"mean": float(np.mean(paper))}


def to_tensor(images: npt.NDArray[np.uint8], scale: float) -> Tensor:
    return torch.from_numpy(images.astype(np.float32)) * scale


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """Softmax outputs (n, k), on the CPU, of a network in evaluation mode on whichever device."""
    device = next(model.parameters()).device
    return torch.cat(
        [model.eval()(batch.to(device)).softmax(dim=1).cpu() for batch in inputs.split(BATCH)]
    )


def measure(model: nn.Module, images: Images, task: Task, seed: int) -> Measures:
    train = predict(model, to_tensor(images.train.images, images.scale))
    test = predict(model, to_tensor(images.test.images, images.scale))
    forgotten = torch.from_numpy(task.forgotten)
    right = train.argmax(dim=1) == torch.from_numpy(task.labels)
    right_test = test.argmax(dim=1) == torch.from_numpy(images.test.labels)
    train_f = 100 * float(right[forgotten].double().mean())
    return Measures(
        train_r=100 * float(right[~forgotten].double().mean()),
        train_f=train_f,
        test=100 * float(right_test.double().mean()),
        asr=100 * _attacked(train[~forgotten], train[forgotten], test, seed),
        memorisation_gap=train_f - 100 * _by_chance(test, images, task),
    )


def _by_chance(test: Tensor, images: Images, task: Task) -> float:
    """How often the forgotten samples' labels would be predicted, had they not been seen.

    For a forgotten sample of true class c that was trained with the label l it is the share of
    test samples of class c that are predicted as l.
    """
    predicted = test.argmax(dim=1).numpy()
    rates = np.zeros((CLASSES, CLASSES))
    for label in range(CLASSES):
        of_class = predicted[images.test.labels == label]
        rates[label] = np.bincount(of_class, minlength=CLASSES) / max(len(of_class), 1)
    true, given = images.train.labels[task.forgotten], task.labels[task.forgotten]
    return float(rates[true, given].mean())


def _attacked(remaining: Tensor, forgotten: Tensor, test: Tensor, seed: int) -> float:
    draws = np.random.default_rng(seed).spawn(ATTACKS)
    return float(np.mean([attack(remaining, forgotten, test, draw) for draw in draws]))


def attack(
    remaining: Tensor, forgotten: Tensor, test: Tensor, generator: np.random.Generator
) -> float:
    """The paper's attack (ASR), on softmax outputs (n, k): 0.5 tells nothing.

    Boosted trees learn to tell remaining from test samples by their sorted outputs; what counts
    is how often they are right about forgotten ones (members) and other test samples (no members).
    """
    size = min(ATTACK_SAMPLES, len(remaining), len(test) // 2)

    def features(outputs: Tensor, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return outputs[torch.from_numpy(rows)].sort(dim=1).values.numpy()

    order = generator.permutation(len(test))
    members = features(remaining, generator.permutation(len(remaining))[:size])
    trees = HistGradientBoostingClassifier(random_state=int(generator.integers(2**31)))
    unseen = features(test, order[size:])
    # On a busy machine, threads that wait for each other take many times as long as one.
    with threadpool_limits(1):
        trees.fit(
            np.concatenate([members, features(test, order[:size])]),
            np.repeat([1, 0], [len(members), size]),
        )
        claimed = trees.predict(features(forgotten, np.arange(len(forgotten))))
        spared = trees.predict(unseen)
    return float(np.concatenate([claimed == 1, spared == 0]).mean())
