"""In which form the data of a dataset lie at its URL."""

from enum import StrEnum


class DatasetFormat(StrEnum):
    """How the files are to be found: as they lie there, or by a table's log."""

    PARQUET = "parquet"
    DELTA = "delta"
    ICEBERG = "iceberg"
