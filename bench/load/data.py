"""Datasets of any size, whose IDs can be told without reading them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from workers.zoo import digits_cnn

ROWS_AT_ONCE = 100_000
SHAPE = (1, 8, 8)
PIXELS = {"column": "pixels", "kind": "array", "shape": list(SHAPE), "scale": 1 / 16}
# Odd, so that multiplying by it is one-to-one: IDs in no order, and no two alike.
SCATTER = 0x9E3779B97F4A7C15


def sample_id(row: int) -> str:
    return f"user-{row * SCATTER % 2**64:016x}"


def write_dataset(folder: Path, rows: int) -> dict[str, Any]:
    """One Parquet file, made once; returns the body that registers it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rows-{rows}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        kind = pa.list_(pa.uint8(), 64)
        schema = pa.schema({"sample_id": pa.string(), "pixels": kind})
        with pq.ParquetWriter(unfinished, schema) as writer:
            for start in range(0, rows, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, rows - start)
                ids = pa.array([sample_id(row) for row in range(start, start + count)])
                blank = pa.array(np.zeros(64 * count, dtype=np.uint8))
                pixels = pa.FixedSizeListArray.from_arrays(blank, type=kind)
                writer.write_table(pa.table([ids, pixels], schema=schema))
        unfinished.rename(path)
    return {
        "name": f"rows-{rows}",
        "uri": path.as_uri(),
        "id_column": "sample_id",
        "inputs": [PIXELS],
    }


def write_model(folder: Path, dataset: str) -> dict[str, Any]:
    """A network that nobody trained; returns the body that registers it with a job a day."""
    target = folder / "model"
    target.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    save_file(digits_cnn().state_dict(), target / "model.safetensors")
    return {
        "name": f"of-{dataset}",
        "dataset": dataset,
        "source_uri": target.as_uri(),
        "architecture": {"kind": "module", "factory": "workers.zoo:digits_cnn"},
        # Its requests wait, as they do in earnest, and no job takes the machine meanwhile.
        "policy": {"batch_window_seconds": 86_400},
    }
