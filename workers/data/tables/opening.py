"""Opening what a table's log names: only what may be opened as a registered URL."""

from contextlib import AbstractContextManager
from typing import Any

from workers.data import places
from workers.data.errors import DatasetError
from workers.data.locations import FILES_AT_FAULT, URL_AT_FAULT, fault


def names_in(uri: str) -> list[str]:
    """The files in a folder of the log, named from it on; none if there is no such folder.

    Raises:
        DatasetError: the folder may not be read.
        OSError: the storage failed; it may answer another time.
    """
    try:
        return sorted(places.open_folder(uri).names())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise DatasetError(fault(uri, error)) from error


def open_file(uri: str) -> AbstractContextManager[Any]:
    """One file, for reading.

    Raises:
        DatasetError: it may not be opened, or is not there.
        OSError: the storage failed; it may answer another time.
    """
    try:
        opened: AbstractContextManager[Any] = places.open_file(uri)
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise DatasetError(fault(uri, error)) from error
    return opened


def read_file(uri: str) -> bytes:
    """All of a small file; raises as `open_file` does."""
    with open_file(uri) as file:
        content: bytes = file.read()
    return content
