"""Real images, in the four parts that a benchmark needs."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.unlearning.training import Recipe
from workers.demo.images import Part, all_digits, all_fashion_mnist

CLASSES = 10


@dataclass(frozen=True)
class Images:
    """`train` is trained on, `holdout` is what methods may compare with, `test` is for reports.

    `by_heart` is how to train until the training set is known by heart, wrong labels included.
    """

    name: str
    factory: str
    scale: float
    by_heart: Recipe
    train: Part
    holdout: Part
    test: Part

    def some(self, rows: int) -> "Images":
        """The same with fewer training samples, each class in its share: always the same ones.

        Raises:
            ValueError: there are fewer.
        """
        return replace(self, train=self.train.rows(stratified(self.train.labels, rows)))


def stratified(labels: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    """Labels (n,) -> so many places, ascending, of which each class has its share.

    The share is rounded down; what is missing then is drawn from what is left.

    Raises:
        ValueError: there are fewer labels than rows.
    """
    if rows > len(labels):
        raise ValueError(f"{rows} rows are wanted, and there are {len(labels)}.")
    order = np.random.default_rng(0).permutation(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    for label in range(CLASSES):
        of_class = order[labels[order] == label]
        chosen[of_class[: rows * len(of_class) // len(labels)]] = True
    left = order[~chosen[order]]
    chosen[left[: rows - int(chosen.sum())]] = True
    return np.flatnonzero(chosen)


def digits() -> Images:
    """1,797 scanned digits of 8 by 8 pixels: 1,197 to train, 300 held out, 300 to test."""
    everything = all_digits()
    order = np.random.default_rng(0).permutation(len(everything))
    shuffled = everything.rows(order)
    return Images(
        name="digits",
        factory="workers.zoo:digits_cnn",
        scale=1 / 16,
        by_heart=Recipe(80, batch=64, learning_rate=2e-3, weight_decay=0.0, schedule="constant"),
        train=shuffled.rows(slice(600, None)),
        holdout=shuffled.rows(slice(0, 300)),
        test=shuffled.rows(slice(300, 600)),
    )


def fashion_mnist() -> Images:
    """60,000 pictures of clothes to train, 2,000 held out, 8,000 to test."""
    train, other = all_fashion_mnist()
    order: npt.NDArray[np.int64] = np.random.default_rng(0).permutation(len(other))
    return Images(
        name="fashion-mnist",
        factory="workers.zoo:fashion_cnn",
        scale=1 / 255,
        by_heart=Recipe(25, batch=128, learning_rate=2e-3, weight_decay=0.0, schedule="one-cycle"),
        train=train,
        holdout=other.rows(order[:2000]),
        test=other.rows(order[2000:]),
    )


SOURCES = {"digits": digits, "fashion-mnist": fashion_mnist}
