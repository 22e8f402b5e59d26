"""Files of this machine, by where they really lie.

A path is checked by its text first (`service.core.sources`), then by what its links lead to, and
what is opened then is reached without following any link.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fsspec.implementations.local import LocalFileSystem

from service.core.sources import FILE, SETTING, Location, SourceError, Sources, of_path
from workers.data.places.found import PARQUET, Found, shown
from workers.data.places.globs import entries_of, matches
from workers.data.places.regular import open_regular, refuse_irregular

# Far more than any model's directory has, and far less than a disk.
MOST_NAMES = 100_000
# A repository of the Hugging Face hub's cache, in which snapshots are links to blobs.
REPOSITORY = re.compile(r"(models|datasets|spaces)--.+")
SNAPSHOTS, BLOBS = "snapshots", "blobs"


class Ground:
    """The places of this machine in which files may be opened, with all links followed."""

    def __init__(self, sources: Sources) -> None:
        places = [prefix for prefix in sources.prefixes if prefix.scheme == FILE]
        self._roots = tuple(of_path(os.path.realpath(place.path)) for place in places)
        own = [of_path(os.path.realpath(place.path)) for place in sources.own]
        self._sources = Sources(self._roots, (*sources.own, *own))

    def real(self, path: Path, *, hidden: bool = False) -> Path:
        """Where a path leads to.

        Raises:
            SourceError: out of all places in which files may be opened; into a hidden folder,
                unless `hidden` ones are allowed; or in a circle.
            OSError: nowhere; or the storage failed.
        """
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise SourceError("A link in its path leads in a circle.") from error
        location = of_path(real)
        self._sources.refuse_own(location)
        around = [root for root in self._roots if location.is_in(root)]
        if not around:
            raise SourceError(f"A link in its path leads below no prefix in {SETTING}.")
        if not hidden and all(location.is_hidden_in(root) for root in around):
            raise SourceError("A link in its path leads into a hidden folder.")
        return Path(real)

    def find(self, location: Location) -> Found:
        """See `workers.data.places.find`. Names are paths without links to folders."""
        fixed = location.fixed_part
        base = Path(Location(FILE, "", location.segments[:fixed]).path)
        pattern = location.segments[fixed:]
        if not pattern and not self.real(base, hidden=True).is_dir():
            folder = self.real(base.parent)
            self.look_at(folder, base.name)
            path = str(folder / base.name)
            return Found.of(LocalFileSystem(), path, {str(location): path})
        real = self.real(base)
        names = matches(real, pattern, self.real) if pattern else parquet_files(real)
        names = shown(pattern, names)
        for name in names:
            # A folder among them is told of when it is opened; it may tell of a table before.
            if not (real / name).is_dir():
                self.look_at(real, name)
        by_url = {str(of_path(base / name)): str(real / name) for name in names}
        return Found.of(LocalFileSystem(), str(real), by_url)

    def look_at(self, folder: Path, name: str) -> Path:
        """Where a file of a folder really lies. The folder's path has no links.

        Raises:
            SourceError: out of the folder; or it is no regular file, or has other names.
            OSError: it is not there, or the storage failed.
        """
        target = self.real(folder / name, hidden=True)
        if leaves(folder, folder / name, target):
            raise SourceError(leads_out(name))
        refuse_irregular(target.stat(), name)
        return target

    def open(self, location: Location) -> IO[bytes]:
        """Open a regular file, for reading; no other file is ever opened.

        Raises:
            SourceError: it is no regular file, has other names, or may not be opened.
            OSError: it is not there, or the storage failed.
        """
        path = Path(location.path)
        self.real(path.parent)
        return open_regular(self.real(path, hidden=True), path.name)


class LocalFolder:
    """A model's directory on this machine."""

    def __init__(self, ground: Ground, location: Location) -> None:
        self._ground = ground
        self._real = ground.real(Path(location.path))
        if not self._real.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def names(self) -> Iterator[str]:
        for count, name in enumerate(self._below(Path(), (self._real,)), start=1):
            if count > MOST_NAMES:
                raise SourceError(f"It holds more than {MOST_NAMES:,} files. Name the model's own.")
            yield name

    def _below(self, folder: Path, around: tuple[Path, ...]) -> Iterator[str]:
        self._ground.real(self._real / folder, hidden=True)
        for entry in entries_of(self._real / folder):
            name, real = folder / entry.name, Path(entry.path)
            if entry.is_symlink():
                real = Path(os.path.realpath(entry.path))
                if leaves(self._real, Path(entry.path), real):
                    raise SourceError(leads_out(str(name)))
            if not real.is_dir():
                yield str(name)
            elif real not in around:
                yield from self._below(name, (*around, real))

    def copy(self, name: str, target: Path) -> None:
        real = self._ground.look_at(self._real, name)
        with open_regular(real, name) as source, target.open("wb") as copied:
            shutil.copyfileobj(source, copied, 2**20)


def parquet_files(folder: Path) -> list[str]:
    return [entry.name for entry in entries_of(folder) if entry.name.endswith(PARQUET)]


def leads_out(name: str) -> str:
    return f"{name} in it is a link that leads out of it. Put there what it leads to."


def leaves(folder: Path, path: Path, target: Path) -> bool:
    """Whether a path in a folder, with links in it or not, leads out of the folder.

    Links of the hub's cache from a snapshot to a blob of the same repository do not.
    """
    if target.is_relative_to(folder):
        return False
    for repository in path.parents:
        inner = path.relative_to(repository).parts
        if REPOSITORY.fullmatch(repository.name) and inner[0] == SNAPSHOTS and len(inner) > 2:
            return target.parent != repository / BLOBS
    return True
