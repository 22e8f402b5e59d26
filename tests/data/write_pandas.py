"""Writes `pandas/` and `fastparquet/`; run with pandas, pyarrow and fastparquet, from the root."""

from pathlib import Path

import fastparquet
import numpy as np
import pandas as pd

PANDAS, FASTPARQUET = Path("tests/data/pandas"), Path("tests/data/fastparquet")
NUMBERS = np.arange(1, 13).reshape(2, 2, 3)


def with_pyarrow(frame: pd.DataFrame) -> None:
    """Each file has one or two rows."""
    frame.to_parquet(PANDAS / "columns.parquet")
    some = frame[["sample_id", "flat"]]
    some.to_parquet(PANDAS / "columns.parquet.gzip", compression="gzip")
    for name in ("index", "range"):
        (PANDAS / name).mkdir(exist_ok=True)
    # Filtered, the index is a column; else it is a range in the metadata.
    some.set_axis([5, 2]).to_parquet(PANDAS / "index" / "a.parquet")
    some.to_parquet(PANDAS / "index" / "b.parquet")
    some[["flat"]].rename_axis("sample_id").to_parquet(PANDAS / "range" / "a.parquet")
    mixed = PANDAS / "mixed"
    mixed.mkdir(exist_ok=True)
    for name, ids, flat in (("a", ["07"], [[1, 2, 3, 4, 5, 6]]), ("b", ["08"], [[0.5] * 6])):
        pd.DataFrame({"sample_id": ids, "flat": flat}).to_parquet(mixed / f"{name}.parquet")
    pd.DataFrame({"sample_id": [7], "flat": [[1, 2, 3, 4, 5, 6]]}).to_parquet(mixed / "c.parquet")
    some.sample_id.to_frame().assign(flat=[[1.0] * 6, [np.nan] * 6]).to_parquet(
        PANDAS / "nan.parquet"
    )
    some.assign(sample_id=[1.0, np.nan]).to_parquet(PANDAS / "float_ids.parquet")


def with_fastparquet(frame: pd.DataFrame) -> None:
    """Each file has two rows."""
    plain = frame[["sample_id", "id_category", "id_uint64", "text"]]
    fastparquet.write(str(FASTPARQUET / "columns.parquet"), plain)
    fastparquet.write(str(FASTPARQUET / "lists.parquet"), frame[["sample_id", "lists"]])
    text = frame[["sample_id", "text"]].astype(object)
    for column, name in (("sample_id", "json_ids"), ("text", "json_text")):
        encoding = {"sample_id": "utf8", "text": "utf8", column: "json"}
        fastparquet.write(str(FASTPARQUET / f"{name}.parquet"), text, object_encoding=encoding)
    hive = plain.assign(label=[3, 4])
    fastparquet.write(str(FASTPARQUET / "hive"), hive, file_scheme="hive", partition_on=["label"])


def main() -> None:
    """The columns of all files."""
    for place in (PANDAS, FASTPARQUET):
        place.mkdir(exist_ok=True)
    frame = pd.DataFrame(
        {
            "sample_id": ["s-0", "s-1"],
            "id_category": pd.Categorical(["s-0", "s-1"]),
            "id_int_category": pd.Categorical([8, 7]),
            "id_uint64": np.array([2**64 - 1, 7], np.uint64),
            "id_nullable": pd.array([8, 7], dtype="Int64"),
            "lists": NUMBERS.tolist(),
            "lists_of_arrays": [list(one.astype(np.float32)) for one in NUMBERS],
            "flat": list(NUMBERS.reshape(2, 6).astype(np.int16)),
            "text": pd.Categorical(["to be", "or not"]),
        }
    )
    with_pyarrow(frame)
    with_fastparquet(frame)


if __name__ == "__main__":
    main()
