"""What a table's log says of one state of the table."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow.parquet as pq

from workers.data.errors import DatasetError
from workers.data.tables.view import View

# Finds out how a file is to be read, once it is open.
Look: TypeAlias = Callable[[pq.ParquetFile], View]


@dataclass(frozen=True)
class Member:
    """A data file of a table."""

    uri: str
    look: Look


@dataclass(frozen=True)
class Snapshot:
    """The live files of a table in order of name; `version` names this state of the table."""

    version: str
    members: list[Member]


def library(name: str) -> Any:
    """A table's own library, by the name of its package.

    Raises:
        DatasetError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DatasetError(
            f"The worker has no {name}: an operator must install unlearnd with the extra `tables`."
        ) from error
