"""Writes `polars/`; run in an environment with polars alone, from the repository's root."""

from pathlib import Path

import numpy as np
import polars as pl

PLACE = Path("tests/data/polars")
NUMBERS = np.arange(1, 13).reshape(2, 2, 3)


def main() -> None:
    """Each file has two rows."""
    PLACE.mkdir(exist_ok=True)
    numbers = NUMBERS.tolist()
    ids = ["s-0", "s-1"]
    frame = pl.DataFrame(
        {
            "sample_id": ids,
            "id_category": pl.Series(ids, dtype=pl.Categorical),
            "id_enum": pl.Series(ids, dtype=pl.Enum(ids)),
            "id_uint64": pl.Series([2**64 - 1, 7], dtype=pl.UInt64),
            "id_int8": pl.Series([-7, 7], dtype=pl.Int8),
            "id_decimal": pl.Series([10**20, 7], dtype=pl.Decimal(38, 0)),
            "array": pl.Series(numbers, dtype=pl.Array(pl.Int16, (2, 3))),
            "array_float16": pl.Series(numbers, dtype=pl.Array(pl.Float16, (2, 3))),
            "array_bool": pl.Series(
                (NUMBERS % 2 == 0).tolist(), dtype=pl.Array(pl.Boolean, (2, 3))
            ),
            "lists": pl.Series(numbers, dtype=pl.List(pl.List(pl.Int64))),
            "flat": pl.Series(NUMBERS.reshape(2, 6).tolist(), dtype=pl.List(pl.Float32)),
            "text": pl.Series(["to be", "or not"], dtype=pl.Categorical),
            "image": pl.Series([{"bytes": b"\x89PNG-0", "path": None}, {"bytes": b"\x89PNG-1"}]),
            "struct": pl.Series([{"height": 2, "width": 3}] * 2),
        }
    )
    frame.write_parquet(PLACE / "columns.parquet")
    frame.select("sample_id", "lists").lazy().sink_parquet(PLACE / "sunk.parquet")
    wide = frame.select("sample_id", "lists", id_int128=pl.Series([1, 2], dtype=pl.Int128))
    wide.write_parquet(PLACE / "int128.parquet")
    frame.select("sample_id", "flat").write_ipc(PLACE / "feather.parquet")


if __name__ == "__main__":
    main()
