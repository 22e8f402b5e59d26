"""Parquet files at an fsspec URL, in one fixed order."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workers.data import places
from workers.data.batches import DamagedError
from workers.data.errors import DatasetError
from workers.data.folders import refuse_rows_left_out
from workers.data.forms import open_as_parquet
from workers.data.locations import FILES_AT_FAULT, URL_AT_FAULT, fault
from workers.data.tables.live import LiveFile
from workers.data.tables.marks import refuse_tables
from workers.data.tables.view import View
from workers.data.watched import Watched

# A row group may hold all of a file: it is read in pieces of this many bytes, not at once.
BUFFER = 2**20
GLOB = re.compile(r"[*?\[]")
DAMAGE = "its footer or a page of it is damaged, or it is no such file"
# Each has a line in the row of its dataset, and is opened by every job.
MOST_FILES = 100_000


@dataclass(frozen=True)
class FileRef:
    """One file as it was indexed: `digest` is of its ID column (see `IDDigest`).

    `types` says by column what it held; files that were indexed before it was recorded have none.
    A file of a table has a `view`, and as many `rows` as are in the table.
    """

    uri: str
    rows: int
    digest: str
    types: dict[str, str] = field(default_factory=dict)
    view: View | None = None


def list_files(uri: str) -> list[str]:
    """The URLs behind `uri`, which may hold a glob or name a directory, sorted.

    Raises:
        DatasetError: there are none, or the location is not one that can be read.
        OSError: the storage failed; it may answer another time.
    """
    try:
        found = places.find(uri)
        refuse_tables(found.filesystem, found.start, found.names)
        if not GLOB.search(uri):
            refuse_rows_left_out(found.filesystem, found.start, uri)
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"There is no file at {uri}.") from error
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise DatasetError(fault(uri, error)) from error
    if not found.urls:
        raise DatasetError(f"There is no file at {uri}.")
    refuse_many(len(found.urls), uri)
    return found.urls


def refuse_many(files: int, uri: str) -> None:
    """Raise DatasetError for more files than a dataset may have."""
    if files > MOST_FILES:
        raise DatasetError(
            f"There are {files} files at {uri}, and a dataset may have {MOST_FILES}: "
            "write fewer and larger ones."
        )


@contextmanager
def open_parquet(uri: str, view: View | None = None) -> Iterator[Any]:
    """Open one file, a table's one through its view, as a `workers.data.batches.ParquetFile`.

    What makes it unreadable is told by name of the file.

    Raises:
        DatasetError: it is gone, may not be read, is not Parquet, or is damaged.
        OSError: the storage failed; it may answer another time.
    """
    try:
        location = places.open_file(uri)
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise DatasetError(gone(uri) if is_gone(error, view) else fault(uri, error)) from error
    source: Watched | None = None
    try:
        with location as raw:
            source = Watched(raw)
            with open_as_parquet(source, uri, BUFFER) as file:
                yield file if view is None else LiveFile(file, view, uri)
    except PermissionError as error:
        raise DatasetError(fault(uri, error)) from error
    except (*FILES_AT_FAULT, UnicodeDecodeError) as error:
        # The last is of names in the footer.
        if is_gone(error, view):
            raise DatasetError(gone(uri)) from error
        raise DatasetError(f"{uri} cannot be read as Parquet: {DAMAGE}.") from error
    except DamagedError as error:
        raise DatasetError(f"{uri} {error}.") from error
    except OSError as error:
        if source is None or source.trouble is not None or error.errno is not None:
            raise
        # Arrow's own, for pages and footers that make no sense.
        raise DatasetError(f"{uri} cannot be read as Parquet: {DAMAGE}.") from error


def is_gone(error: Exception, view: View | None) -> bool:
    """Whether a table has removed a file that it had when it was indexed."""
    return view is not None and isinstance(error, FileNotFoundError)


def gone(uri: str) -> str:
    return (
        f"{uri} is gone: the table has removed it since it was indexed, as its clean-up does with "
        "files that newer snapshots do not need. Index it again."
    )


@dataclass
class IDDigest:
    """SHA-256 of a column of IDs in row order, however it is cut into batches."""

    _text: Any = field(default_factory=hashlib.sha256)
    _lengths: Any = field(default_factory=hashlib.sha256)

    def update(self, ids: pa.Array) -> None:
        lengths = pc.binary_length(ids).to_numpy(zero_copy_only=False)
        self._lengths.update(lengths.astype("<u4").tobytes())
        offsets = np.frombuffer(ids.buffers()[1], dtype=np.int64)
        start, end = offsets[ids.offset], offsets[ids.offset + len(ids)]
        data = ids.buffers()[2]
        if data is not None and end > start:
            self._text.update(memoryview(data)[start:end])

    def hexdigest(self) -> str:
        joined = self._text.digest() + self._lengths.digest()
        return hashlib.sha256(joined).hexdigest()
