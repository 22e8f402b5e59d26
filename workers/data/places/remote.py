"""Files in a storage that fsspec has a driver for, below the place that a URL names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from service.core.sources import WEB, Location, SourceError, Sources
from workers.data.places.found import PARQUET, Found, shown

# A server must not send us elsewhere: what is read is what an operator named.
OPTIONS: dict[str, dict[str, Any]] = {scheme: {"allow_redirects": False} for scheme in WEB}


def filesystem_of(location: Location) -> tuple[Any, str]:
    """The driver of a URL's storage, and the URL as the driver writes it.

    Raises:
        ImportError: the driver is not installed.
    """
    options = OPTIONS.get(location.scheme, {})
    filesystem, path = fsspec.core.url_to_fs(str(location), **options)
    return filesystem, str(path)


def find(location: Location, sources: Sources) -> Found:
    """See `workers.data.places.find`."""
    fixed = location.fixed_part
    base = Location(location.scheme, location.authority, location.segments[:fixed])
    pattern = location.segments[fixed:]
    filesystem, path = filesystem_of(location)
    _, start = filesystem_of(base)
    # `exists`, `isdir` and `glob` take any trouble for an empty place; `info` and `ls` tell it.
    if pattern:
        filesystem.info(start)
        names = filesystem.glob(path)
    elif filesystem.info(path)["type"] != "directory":
        return Found.of(filesystem, path, {str(location): path})
    else:
        names = [name for name in filesystem.ls(path, detail=False) if name.endswith(PARQUET)]
    by_name = {inner(start, name): name for name in names}
    by_url = {f"{base}/{name}": by_name[name] for name in shown(pattern, list(by_name))}
    for url in by_url:
        sources.check(url)
    return Found.of(filesystem, start, by_url)


def inner(folder: str, path: str) -> str:
    """The name of a file that a storage has listed, from the folder on.

    Raises:
        SourceError: it does not lie in the folder.
    """
    name = path.removeprefix(folder.rstrip("/") + "/")
    if name == path:
        raise SourceError("The storage lists files that lie elsewhere.")
    return name


def open_file(location: Location) -> Any:
    """See `workers.data.places.open_file`."""
    filesystem, path = filesystem_of(location)
    return filesystem.open(path, "rb")


class RemoteFolder:
    """A model's directory in a storage."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._filesystem, self._root = filesystem_of(location)
        if self._filesystem.info(self._root)["type"] != "directory":
            raise NotADirectoryError(20, "Not a directory")

    def names(self) -> Iterator[str]:
        for path in self._filesystem.find(self._root):
            yield inner(self._root, path)

    def copy(self, name: str, target: Path) -> None:
        Location.parse(f"{self._location}/{name}")
        self._filesystem.get_file(f"{self._root.rstrip('/')}/{name}", str(target))
