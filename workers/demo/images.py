"""Real images for the demo: scikit-learn's digits, and Fashion-MNIST where it is installed."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FASHION_DEFAULT = Path("/usr/share/datasets/fashion-mnist")


class ImagesMissingError(RuntimeError):
    """The images are not on this machine; the message says how to get them."""


@dataclass(frozen=True)
class Part:
    """Images (n, c, h, w) of small integers, and labels (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: Any) -> "Part":
        return Part(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Task:
    """What the demo trains on: `train`, a held-out part for the audit, a part to test on."""

    name: str
    factory: str
    scale: float
    train: Part
    holdout: Part
    test: Part
    epochs: int
    batch: int
    mislabelled: int


def all_digits() -> Part:
    """Scikit-learn's 1,797 scanned digits, (1, 8, 8), numbers from 0 to 16."""
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    return Part(loaded.images.astype(np.uint8)[:, None, :, :], loaded.target.astype(np.int64))


def digits(seed: int) -> Task:
    """1,797 scanned digits of 8 by 8 pixels: 1,197 to train, 300 held out, 300 to test."""
    everything = all_digits()
    everything = everything.rows(np.random.default_rng(seed).permutation(len(everything)))
    return Task(
        name="digits",
        factory="workers.zoo:digits_cnn",
        scale=1 / 16,
        train=everything.rows(slice(600, None)),
        holdout=everything.rows(slice(0, 300)),
        test=everything.rows(slice(300, 600)),
        epochs=40,
        batch=64,
        mislabelled=40,
    )


def all_fashion_mnist() -> tuple[Part, Part]:
    """Fashion-MNIST as it comes: 60,000 and 10,000 images, (1, 28, 28).

    Raises:
        ImagesMissingError: the files are not installed.
    """
    folder = Path(os.environ.get("UNLEARND_FASHION_MNIST", FASHION_DEFAULT))
    if not folder.is_dir():
        raise ImagesMissingError(
            "Fashion-MNIST is not installed: `apt-get install dataset-fashion-mnist` on Debian or "
            "Ubuntu, or set UNLEARND_FASHION_MNIST to a folder with its four *-ubyte.gz files."
        )
    train = Part(_read_idx(folder, "train-images-idx3"), _read_labels(folder, "train-labels-idx1"))
    other = Part(_read_idx(folder, "t10k-images-idx3"), _read_labels(folder, "t10k-labels-idx1"))
    return train, other


def fashion_mnist(seed: int) -> Task:
    """60,000 pictures of clothes to train, 5,000 held out, 5,000 to test.

    Raises:
        ImagesMissingError: the files are not installed.
    """
    train, other = all_fashion_mnist()
    order = np.random.default_rng(seed).permutation(len(other))
    return Task(
        name="fashion-mnist",
        factory="workers.zoo:fashion_cnn",
        scale=1 / 255,
        train=train,
        holdout=other.rows(order[:5000]),
        test=other.rows(order[5000:]),
        epochs=10,
        batch=128,
        mislabelled=100,
    )


def _read_idx(folder: Path, name: str) -> npt.NDArray[np.uint8]:
    raw = _read(folder, name)
    count, height, width = np.frombuffer(raw, ">u4", count=3, offset=4)
    pixels = np.frombuffer(raw, np.uint8, offset=16)
    return pixels.reshape(int(count), 1, int(height), int(width))


def _read_labels(folder: Path, name: str) -> npt.NDArray[np.int64]:
    return np.frombuffer(_read(folder, name), np.uint8, offset=8).astype(np.int64)


def _read(folder: Path, name: str) -> bytes:
    path = folder / f"{name}-ubyte.gz"
    if not path.is_file():
        raise ImagesMissingError(f"{folder} has no {path.name}.")
    with gzip.open(path) as file:
        return file.read()


TASKS = {"digits": digits, "fashion-mnist": fashion_mnist}
