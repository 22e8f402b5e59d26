"""Writes `datasets/`; run with datasets, Pillow and soundfile, from the repository's root."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
import numpy as np
import soundfile
from datasets import Array2D, Array3D, Array4D, Array5D, Audio, Features, Image, LargeList, Value
from datasets import List as ListOf
from datasets.table import embed_table_storage
from PIL import Image as Pictures

PLACE = Path("tests/data/datasets").absolute()
NUMBERS = np.arange(1, 13).reshape(2, 2, 3)
IDS = ["s-0", "s-1"]


def arrays() -> None:
    """One file with all kinds of arrays, and one in shards."""
    features = Features(
        {
            "sample_id": Value("string"),
            "array2d": Array2D((2, 3), "int16"),
            "array3d": Array3D((1, 2, 3), "float32"),
            "array4d": Array4D((1, 1, 2, 3), "uint8"),
            "array5d": Array5D((1, 1, 1, 2, 3), "float64"),
            "flat": ListOf(Value("float16"), length=6),
            "lists": ListOf(ListOf(Value("int64"))),
            "large": LargeList(Value("int8")),
            "booleans": Array2D((2, 3), "bool"),
        }
    )
    dataset = datasets.Dataset.from_dict(
        {
            "sample_id": IDS,
            "array2d": NUMBERS,
            "array3d": NUMBERS.reshape(2, 1, 2, 3),
            "array4d": NUMBERS.reshape(2, 1, 1, 2, 3),
            "array5d": NUMBERS.reshape(2, 1, 1, 1, 2, 3),
            "flat": NUMBERS.reshape(2, 6),
            "lists": NUMBERS.tolist(),
            "large": NUMBERS.reshape(2, 6).tolist(),
            "booleans": NUMBERS % 2 == 0,
        },
        features=features,
    )
    dataset.to_parquet(PLACE / "arrays.parquet")
    dataset.with_format("polars").to_polars().write_parquet(PLACE / "to_polars.parquet")
    some = dataset.select_columns(["sample_id", "array2d"])
    (PLACE / "shards").mkdir(exist_ok=True)
    for number in range(2):
        shard = some.shard(2, number, contiguous=True)
        shard.to_parquet(PLACE / "shards" / f"train-0000{number}-of-00002.parquet")
    some.save_to_disk(PLACE / "saved")


def media(folder: Path) -> None:
    """Images that came from files, as they are and embedded; sounds likewise."""
    for number, name in enumerate(IDS):
        Pictures.fromarray(np.full((2, 3), 9 * number, np.uint8)).save(folder / f"{name}.png")
    os.chdir(folder)
    files = [f"{name}.png" for name in IDS]
    features = Features({"sample_id": Value("string"), "image": Image()})
    images = datasets.Dataset.from_dict({"sample_id": IDS, "image": files}, features=features)
    images.to_parquet(PLACE / "images_named.parquet")
    images.to_pandas().to_parquet(PLACE / "images_pandas.parquet")
    embedded = images.with_format("arrow").map(embed_table_storage, batched=True)
    embedded.to_parquet(PLACE / "images.parquet")
    for name in IDS:
        shutil.copyfile(folder / f"{name}.png", PLACE / f"{name}.png")
        soundfile.write(folder / f"{name}.wav", np.zeros(8, np.int16), 8000)
    sounds = datasets.Dataset.from_dict(
        {"sample_id": IDS, "sound": [f"{name}.wav" for name in IDS]}
    )
    sounds.cast_column("sound", Audio()).to_parquet(PLACE / "sounds_named.parquet")


def main() -> None:
    """Each file has one or two rows."""
    PLACE.mkdir(exist_ok=True)
    arrays()
    with TemporaryDirectory() as folder:
        media(Path(folder))


if __name__ == "__main__":
    main()
