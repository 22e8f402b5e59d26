"""Files below a folder that is named in UNLEARND_SOURCES, and what is read of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workers.data.parquet import list_files, open_parquet


def table(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: Any = pa.table({"sample_id": [path.name]})
    pq.write_table(rows, path)
    return path


def url(path: Path) -> str:
    return f"file://{path}"


def names(uri: str) -> list[str]:
    return [found.rpartition("/")[2] for found in list_files(uri)]


def read(uri: str) -> list[str]:
    found: list[str] = []
    for file in list_files(uri):
        with open_parquet(file) as opened:
            found += opened.read()["sample_id"].to_pylist()
    return found
