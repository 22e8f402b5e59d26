"""Parquet files at an fsspec URL, in one fixed order."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data.errors import DatasetError

ROWS_A_BATCH = 16_384


def list_files(uri: str) -> list[str]:
    """The URLs behind `uri`, which may hold a glob or name a directory, sorted.

    Raises:
        DatasetError: there are none, or the location cannot be read.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        if any(sign in path for sign in "*?["):
            found = filesystem.glob(path)
        elif filesystem.isdir(path):
            found = filesystem.glob(f"{path.rstrip('/')}/*.parquet")
        else:
            found = [path] if filesystem.exists(path) else []
    except (OSError, ValueError, ImportError) as error:
        raise DatasetError(f"{uri} cannot be read: {error}") from error
    if not found:
        raise DatasetError(f"There is no file at {uri}.")
    return [str(filesystem.unstrip_protocol(name)) for name in sorted(found)]


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """Open one file; what makes it unreadable is told by name of the file.

    Raises:
        DatasetError: it is gone, or it is not Parquet.
    """
    try:
        with fsspec.open(uri, "rb") as raw, pq.ParquetFile(raw) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{uri} cannot be read as Parquet ({type(error).__name__}).") from error


def batches(
    file: pq.ParquetFile, columns: list[str], rows: int = ROWS_A_BATCH
) -> Iterator[pa.RecordBatch]:
    """Only these columns are read from the file."""
    yield from file.iter_batches(batch_size=rows, columns=columns, use_threads=False)


def as_text(ids: Any) -> pa.Array:
    """A column of IDs as text; integers are written in decimal.

    Raises:
        DatasetError: another type than text or integers.
    """
    kind = ids.type
    if pa.types.is_dictionary(kind):
        ids = ids.dictionary_decode()
        kind = ids.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (text or pa.types.is_integer(kind)):
        raise DatasetError(f"The ID column holds {kind}: it must hold text or integers.")
    return pc.cast(ids, pa.large_string())


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
