"""What the libraries of tables with a log write."""

import shutil
from pathlib import Path

import deltalake
import pyarrow as pa
import pyiceberg

from tests.workers.data.tables.written import delta, iceberg, rows
from tests.workers.data.tools.case import Case, pixels
from workers.data.specs import TextSpec

DELTA = ("deltalake", deltalake.__version__)
ICEBERG = ("pyiceberg", pyiceberg.__version__)
DATABRICKS = ("Databricks", "Runtime 15.4")
LANCE = ("pylance", "14.0.2")
WRITTEN_BY_DATABRICKS = Path(__file__).parents[3] / "data" / "delta"
WRITTEN_BY_LANCE = Path(__file__).parents[3] / "data" / "lance" / "pets.lance"
IDS = ("s-0", "s-1")


def plain_delta(directory: Path) -> str:
    delta(directory, rows(IDS))
    return f"{directory.as_uri()}/*.parquet"


def plain_iceberg(directory: Path) -> str:
    iceberg(directory, rows(IDS))
    return f"{directory.as_uri()}/lake/pets/data/*.parquet"


def lance(directory: Path) -> str:
    shutil.copytree(WRITTEN_BY_LANCE, directory / "pets.lance")
    return (directory / "pets.lance").as_uri()


def live_delta(directory: Path) -> str:
    table = delta(directory, sixes(["s-0", "s-1", "s-9"]))
    table.delete("sample_id = 's-9'")
    return directory.as_uri()


def live_iceberg(directory: Path) -> str:
    table = iceberg(directory, sixes(["s-0", "s-1", "s-9"]))
    table.delete("sample_id = 's-9'")
    return str(table.location())


def sixes(ids: list[str]) -> pa.Table:
    """Rows of two times three numbers, as `pixels` makes them."""
    flat = pixels(len(ids)).reshape(len(ids), 6).tolist()
    return pa.table({"sample_id": ids, "pixels": pa.array(flat, pa.list_(pa.int16()))})


CASES = [
    Case(
        *DELTA,
        "a table, as `delta`, with rows deleted",
        "read, as the table has it",
        live_delta,
        ids=IDS,
        expected=pixels(2),
        format="delta",
    ),
    Case(
        *ICEBERG,
        "a table, as `iceberg`, with rows deleted",
        "read, as the table has it",
        live_iceberg,
        ids=IDS,
        expected=pixels(2),
        format="iceberg",
    ),
    Case(
        "Databricks",
        "Runtime of March 2023",
        "a table with a deletion vector, as `delta`",
        "read, as the table has it",
        lambda _directory: (WRITTEN_BY_DATABRICKS / "table-with-dv-small").as_uri(),
        inputs=(),
        ids=[str(number) for number in range(1, 9)],
        format="delta",
        id_column="value",
    ),
    Case(
        *DATABRICKS,
        "a table with renamed columns and partitions, as `delta`",
        "read, as the table has it",
        lambda _directory: (WRITTEN_BY_DATABRICKS / "table_with_partitioning_mapping").as_uri(),
        inputs=(TextSpec("description"),),
        ids=["2", "1"],
        expected=["Additional data", "Initial data"],
        format="delta",
        id_column="newid",
    ),
    Case(
        *DELTA,
        "the files of a table, named as plain Parquet",
        "refused: they also hold deleted rows; register the folder as `delta`",
        plain_delta,
        refusal='register its folder with "format": "delta"',
    ),
    Case(
        *ICEBERG,
        "the files of a table, named as plain Parquet",
        "refused: they also hold deleted rows; register the folder as `iceberg`",
        plain_iceberg,
        refusal='register its folder with "format": "iceberg"',
    ),
    Case(
        *LANCE,
        "a table",
        "refused: it is not read; export a snapshot to plain Parquet",
        lance,
        refusal="is a Lance table, which is not read: export a snapshot",
    ),
]
