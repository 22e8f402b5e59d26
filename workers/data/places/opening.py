"""Files and folders behind URLs, on this machine or in a storage that fsspec has a driver for."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from service.core.settings import Settings
from service.core.sources import FILE, Sources
from workers.data.places import remote
from workers.data.places.found import Found
from workers.data.places.local import Ground, LocalFolder


class Folder(Protocol):
    """A directory of a model."""

    def names(self) -> Iterator[str]:
        """The files in it, named from it on, with slashes.

        Raises:
            SourceError: a link leads out of it, or it holds too much to be a model's directory.
            OSError: the storage failed.
        """

    def copy(self, name: str, target: Path) -> None:
        """Copy one of these files.

        Raises:
            SourceError: it is no regular file of this directory alone.
            OSError: the storage failed.
        """


@cache
def allowed() -> Sources:
    """What this process may open; its settings come from the environment."""
    return Settings().allowed_sources


def find(uri: str) -> Found:
    """The Parquet files behind `uri`: one, all those of a folder, or what a glob matches.

    Raises:
        SourceError: it may not be opened, or what it leads to may not.
        FileNotFoundError: there is no such file or folder.
        ImportError: the storage's driver is not installed.
        OSError: the storage failed.
    """
    location = allowed().check(uri)
    if location.scheme == FILE:
        return Ground(allowed()).find(location)
    return remote.find(location, allowed())


def open_file(uri: str) -> IO[bytes] | Any:
    """One file that was named or found, for reading. The caller closes it.

    Raises:
        SourceError: it may not be opened, or is no regular file.
        ImportError: the storage's driver is not installed.
        OSError: the storage failed.
    """
    location = allowed().check(uri, found=True)
    if location.scheme == FILE:
        return Ground(allowed()).open(location)
    return remote.open_file(location)


def open_folder(uri: str) -> Folder:
    """A directory of a model.

    Raises:
        SourceError: it may not be opened.
        FileNotFoundError, NotADirectoryError: there is no such directory.
        ImportError: the storage's driver is not installed.
        OSError: the storage failed.
    """
    location = allowed().check(uri)
    if location.scheme == FILE:
        return LocalFolder(Ground(allowed()), location)
    return remote.RemoteFolder(location)
