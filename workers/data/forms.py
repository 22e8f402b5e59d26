"""What a file is that is not Parquet, or cannot be read as it is: told by how it begins."""

import codecs
import os

import pyarrow as pa

from workers.data.batches import ParquetFile
from workers.data.errors import DatasetError
from workers.data.watched import Watched
from workers.quoting import of_files

HEAD = 512
PARQUET, ENCRYPTED = b"PAR1", b"PARE"
# What stands behind a footer that is readable and signed: a nonce and a tag.
SIGNATURE = 28
# By its first bytes, the form and what to do.
UNPACK = "unpack it; Parquet is compressed within itself"
EXPORT = "export it as Parquet, or leave it out"
AS_COLUMN = "put the bytes of such files into a column, one a row"
BEGINNINGS: dict[bytes, tuple[str, str]] = {
    b"ARROW1\0\0": ("an Arrow file", "write it with `pyarrow.parquet.write_table`"),
    b"FEA1": ("a Feather file", "write it with `pyarrow.parquet.write_table`"),
    b"\xff\xff\xff\xff": (
        "an Arrow stream",
        "write it with `Dataset.to_parquet`, or `pyarrow.parquet.write_table`",
    ),
    b"\x1f\x8b": ("compressed by gzip", UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by Zstandard", UNPACK),
    b"\xfd7zXZ\0": ("compressed by xz", UNPACK),
    b"BZh": ("compressed by bzip2", UNPACK),
    b"PK\x03\x04": ("a ZIP archive", EXPORT),
    b"ORC": ("an ORC file", EXPORT),
    b"Obj\x01": ("an Avro file", EXPORT),
    b"\x93NUMPY": ("a NumPy array", "write it as a column of lists"),
    b"\x89HDF\r\n": ("an HDF5 file", EXPORT),
    b"SQLite format 3\0": ("an SQLite database", EXPORT),
    b"\x89PNG": ("a picture", AS_COLUMN),
    b"\xff\xd8\xff": ("a picture", AS_COLUMN),
    b"RIFF": ("a sound or a picture", AS_COLUMN),
    b"fLaC": ("a sound", AS_COLUMN),
}
# The same at another place.
TAR, DUCKDB = (257, b"ustar"), (8, b"DUCK")


def open_as_parquet(raw: Watched, uri: str, buffer: int) -> ParquetFile:
    """Open what begins and ends as Parquet and is not encrypted.

    Raises:
        DatasetError: it is of another form, encrypted, holds no rows itself, or has a type that
            pyarrow does not know.
        pyarrow.ArrowInvalid: it is damaged.
        OSError: the storage failed; it may answer another time.
    """
    try:
        file = ParquetFile(
            raw, buffer_size=buffer, pre_buffer=False, page_checksum_verification=True
        )
    except (pa.ArrowInvalid, OSError) as error:
        told = _form_of(raw)
        if told is None:
            raise
        raise DatasetError(f"{uri} {told}.") from error
    except pa.ArrowNotImplementedError as error:
        raise DatasetError(
            f"{uri} has a column of a type that pyarrow {pa.__version__} cannot read "
            f"({of_files(error)}): leave it out, or cast it."
        ) from error
    raw.seek(0)
    if raw.read(len(PARQUET)) not in (PARQUET, ENCRYPTED):
        file.close()
        raise DatasetError(
            f"{uri} does not begin as Parquet does, although it ends so: it is damaged."
        )
    # pyarrow ends the process when it is asked for the size of an encrypted column.
    if _is_signed(raw, file):
        file.close()
        raise DatasetError(f"{uri} {_ENCRYPTED}.")
    if _describes_others(file):
        file.close()
        raise DatasetError(
            f"{uri} describes the rows of other files and holds none itself: name those files."
        )
    return file


_ENCRYPTED = (
    "is encrypted Parquet, and the service has no keys: write a copy without encryption to a place "
    "that is protected otherwise"
)


def _form_of(raw: Watched) -> str | None:
    """What the file is and what to do, as the end of a sentence; None if it may be Parquet."""
    raw.seek(0)
    head = raw.read(HEAD)
    if head.startswith(ENCRYPTED):
        return _ENCRYPTED
    if head.startswith(PARQUET):
        return None
    if not head:
        return "is empty: it has no bytes"
    for beginning, (form, advice) in BEGINNINGS.items():
        if head.startswith(beginning):
            return f"is not Parquet: it is {form}; {advice}"
    for (place, mark), form in {TAR: "a tar archive", DUCKDB: "a DuckDB database"}.items():
        if head[place:].startswith(mark):
            return f"is not Parquet: it is {form}; {EXPORT}"
    return _text(head)


def _text(head: bytes) -> str | None:
    try:
        # The last character may be cut off.
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    form = "JSON" if text.lstrip("\ufeff \r\n\t")[:1] in ("{", "[") else "text, such as CSV"
    return f"is not Parquet: it is {form}; {EXPORT}"


def _describes_others(file: ParquetFile) -> bool:
    metadata = file.metadata
    return bool(
        metadata.num_row_groups
        and metadata.num_columns
        and metadata.row_group(0).column(0).file_path
    )


def _is_signed(raw: Watched, file: ParquetFile) -> bool:
    raw.seek(-8, os.SEEK_END)
    footer = int.from_bytes(raw.read(4), "little")
    return bool(footer - file.metadata.serialized_size == SIGNATURE)
