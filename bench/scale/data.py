"""As many rows as are wanted, each another one: scanned digits with noise; and their network."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bench.unlearning.training import Recipe, train
from workers.data.index import read_holdout, read_ids
from workers.data.specs import ArraySpec
from workers.demo.images import all_digits
from workers.plan import DataFile, DataPlan
from workers.zoo import digits_cnn

SCALE = 1 / 16
SPEC = ArraySpec("pixels", (1, 8, 8), SCALE)
ROWS_AT_ONCE = 65_536
HELD_OUT = 2_000
RECIPE = Recipe(epochs=15, batch=128, learning_rate=4e-3, weight_decay=0.0, schedule="one-cycle")


def noisy(
    rows: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images (rows, 1, 8, 8) of 0 to 16, each pixel up to 2 off, and labels (rows,)."""
    digits = all_digits()
    chosen = generator.integers(len(digits), size=rows)
    noise = generator.integers(-2, 3, size=(rows, 1, 8, 8))
    images = np.clip(digits.images[chosen].astype(np.int64) + noise, 0, 16)
    return images.astype(np.uint8), digits.labels[chosen]


def write(path: Path, rows: int, seed: int) -> None:
    """One Parquet file, a chunk at a time."""
    generator = np.random.default_rng(seed)
    kind = pa.list_(pa.uint8(), SPEC.size)
    schema = pa.schema({"sample_id": pa.string(), "pixels": kind})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, ROWS_AT_ONCE):
            images, _ = noisy(min(ROWS_AT_ONCE, rows - start), generator)
            pixels = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), type=kind)
            ids = pa.array([f"sample-{row}" for row in range(start, start + len(images))])
            writer.write_table(pa.table([ids, pixels], schema=schema))


def prepare(folder: Path, rows: int) -> DataPlan:
    """The dataset of so many rows, written and indexed as it is when it is registered."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[dict[str, object]] = []
    for name, count, seed in (("train", rows, 1), ("holdout", HELD_OUT, 2)):
        if not (folder / f"{name}-{rows}.parquet").exists():
            write(folder / f"{name}-{rows}.parquet", count, seed)
    uri = (folder / f"train-{rows}.parquet").as_uri()
    for _ in read_ids(uri, "sample_id", [SPEC], 255, files.append):
        pass
    held_out = read_holdout((folder / f"holdout-{rows}.parquet").as_uri(), [SPEC])
    return DataPlan(
        files=[DataFile.model_validate(file) for file in files],
        holdout_files=[DataFile.model_validate(file) for file in held_out],
        id_column="sample_id",
        inputs=[SPEC],
    )


def parent(folder: Path) -> nn.Module:
    """A network that was trained on such digits; made once."""
    network = digits_cnn()
    path = folder / "parent.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        network = digits_cnn()
        images, labels = noisy(10_000, np.random.default_rng(0))
        inputs = torch.from_numpy(images).float() * SCALE
        train(network, inputs, torch.from_numpy(labels), RECIPE, torch.Generator().manual_seed(0))
        save_file(network.state_dict(), path)
    network.load_state_dict(load_file(path))
    return network.eval()
