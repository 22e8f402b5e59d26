"""Tables that the libraries of Delta and Iceberg write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog


def rows(ids: Sequence[str], **columns: Any) -> pa.Table:
    """One row an ID, with two numbers that tell which row it is."""
    pixels = pa.array([[row, row + 1] for row in range(len(ids))], pa.list_(pa.int16()))
    return pa.table({"sample_id": pa.array(ids, pa.string()), "pixels": pixels, **columns})


def delta(folder: Path, table: pa.Table, **options: Any) -> DeltaTable:
    write_deltalake(folder, table, **options)
    return DeltaTable(folder)


def catalog(folder: Path) -> SqlCatalog:
    folder.mkdir(exist_ok=True)
    made = SqlCatalog("tests", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri())
    made.create_namespace("lake")
    return made


def iceberg(folder: Path, table: pa.Table, **options: Any) -> Any:
    """A table at `folder`/lake/pets."""
    made = catalog(folder).create_table("lake.pets", schema=table.schema, **options)
    made.append(table)
    return made
