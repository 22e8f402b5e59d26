"""Copying input columns to scratch space, in the order of the index."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from workers.data import arrays, columns
from workers.data.agreement import Agreement, types_of
from workers.data.batches import batches
from workers.data.errors import DatasetError, UnknownTokenError
from workers.data.ids import as_text
from workers.data.parquet import FileRef, IDDigest, open_parquet
from workers.data.ragged import Ragged, allocate, write_ragged
from workers.data.specs import ArraySpec, InputSpec

# Rows of a batch as arrays (length,), from a column and the row of the dataset that it begins at.
Encode = Callable[[Any, int], Iterable[npt.NDArray[Any]]]


@dataclass(frozen=True)
class Part:
    """A batch of an input column: `row` is its first row in the dataset, `file_row` in `uri`."""

    uri: str
    file_row: int
    row: int
    column: Any


def copy_to_disk(
    files: Sequence[FileRef], spec: ArraySpec, id_column: str | None, target: Path
) -> npt.NDArray[Any]:
    """Copy a column of arrays into one memory-mapped array (rows, *shape).

    Its type holds the numbers of all files unchanged. Memory stays at one batch.

    With an `id_column` every file is held against the digest that was taken when it was indexed, so
    that a row position still means the same sample.

    Raises:
        DatasetError: a file changed since, its column does not hold such arrays, or no type holds
            the numbers of all files.
        OSError: the disk is full, or the storage failed.
    """
    if not files:
        raise DatasetError("The dataset has no files.")
    kind = agreed(files, [spec]).number_type(spec.column)
    mapped = allocate(target, kind, (sum(file.rows for file in files), *spec.shape))
    for part in read_column(files, spec, id_column):
        end = part.row + len(part.column)
        numbers = arrays.to_numpy(part.column, spec, part.uri, part.file_row)
        mapped[part.row : end] = numbers.astype(kind, casting="safe", copy=False)
    return mapped


def agreed(files: Sequence[FileRef], inputs: Sequence[InputSpec]) -> Agreement:
    """What the input columns of these files hold, once it is sure that it can be read as one.

    Raises:
        DatasetError: it cannot, or a file is none that was registered.
        OSError: the storage failed; it may answer another time.
    """
    agreement = Agreement(inputs)
    for file in files:
        if file.rows:
            types = file.types or _types_now(file, inputs)
            agreement.take(file.uri, {spec.column: types[spec.column] for spec in inputs})
    return agreement


def _types_now(file: FileRef, inputs: Sequence[InputSpec]) -> dict[str, str]:
    with open_parquet(file.uri, file.view) as parquet:
        return types_of(parquet.schema_arrow, inputs, file.uri)


def copy_ragged(
    files: Sequence[FileRef],
    spec: InputSpec,
    id_column: str | None,
    target: Path,
    encode: Encode,
    kind: npt.DTypeLike,
) -> Ragged:
    """Copy a column whose rows `encode` makes into arrays of different lengths, of type `kind`.

    Memory stays at one batch, and the files are held against their digests as in `copy_to_disk`.

    Raises:
        DatasetError: a file changed since, its column does not hold such inputs, or one of them
            cannot be encoded.
        OSError: the disk is full, or the storage failed.
    """
    if not files:
        raise DatasetError("The dataset has no files.")
    parts = _encoded(read_column(files, spec, id_column), encode)
    return write_ragged(target, kind, sum(file.rows for file in files), parts)


def _encoded(parts: Iterable[Part], encode: Encode) -> Iterator[Iterable[npt.NDArray[Any]]]:
    """The rows of each batch as `encode` returns them.

    Raises:
        DatasetError: an input cannot be encoded. For an unknown token, the message names the file.
    """
    for part in parts:
        try:
            yield encode(part.column, part.row)
        except UnknownTokenError as error:
            raise DatasetError(f"{part.uri} has a text with such a token: {error}") from error


def read_column(files: Sequence[FileRef], spec: InputSpec, id_column: str | None) -> Iterator[Part]:
    """The batches of an input column over all files.

    Raises:
        DatasetError: a file is not the one that was indexed; what came before is then worthless.
    """
    row = 0
    for file in files:
        for file_row, column in _read_file(file, spec, id_column):
            yield Part(file.uri, file_row, row + file_row, column)
        row += file.rows


def _read_file(file: FileRef, spec: InputSpec, id_column: str | None) -> Iterator[tuple[int, Any]]:
    digest, row = IDDigest(), 0
    with open_parquet(file.uri, file.view) as parquet:
        rows = parquet.metadata.num_rows
        if rows != file.rows:
            raise DatasetError(f"{file.uri} had {file.rows} rows, and has {rows}: index it again.")
        if not rows:
            return
        schema = parquet.schema_arrow
        _refuse_another_type(file, types_of(schema, [spec], file.uri, id_column))
        names = columns.parquet_names(schema, spec)
        if id_column is not None:
            names.insert(0, id_column)
        for batch in batches(parquet, names, columns.rows_a_batch(parquet, spec)):
            yield row, columns.column_of(batch, spec)
            if id_column is not None:
                digest.update(as_text(batch.column(id_column)))
            row += len(batch)
    if id_column is not None and digest.hexdigest() != file.digest:
        raise DatasetError(f"The IDs in {file.uri} changed since it was indexed: index it again.")


def _refuse_another_type(file: FileRef, now: dict[str, str]) -> None:
    for column, held in now.items():
        before = file.types.get(column, held)
        if held != before:
            raise DatasetError(
                f"The column {column} of {file.uri} held {before} when it was indexed, and holds "
                f"{held}: index it again."
            )
