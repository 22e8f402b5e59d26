"""What the libraries of tables with a log write."""

import shutil
from pathlib import Path

import deltalake
import pyiceberg

from tests.workers.data.tables.written import delta, iceberg, rows
from tests.workers.data.tools.case import Case

DELTA = ("deltalake", deltalake.__version__)
ICEBERG = ("pyiceberg", pyiceberg.__version__)
LANCE = ("pylance", "14.0.2")
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


CASES = [
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
