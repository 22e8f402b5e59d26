"""Opening regular files, and no others, by a path without links."""

import os
import stat
from pathlib import Path
from typing import IO

from service.core.sources import SourceError

PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# If a file is exchanged for a pipe at the last moment, this does not wait for a writer.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def refuse_irregular(found: os.stat_result, name: str) -> None:
    """Look at a file that would be called `name`.

    Raises:
        SourceError: it is no regular file, or has another name that may lie anywhere.
    """
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"{name} is a folder. Name the files in it by a glob.")
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{name} is no regular file, but a pipe, a device or a socket.")
    if found.st_nlink > 1:
        raise SourceError(
            f"{name} is a hard link: the file has another name, which may lie anywhere. Put a copy "
            "there."
        )


def open_regular(path: Path, name: str) -> IO[bytes]:
    """Open a file by its path without links, for reading. Where there is a link now, it fails.

    Raises:
        SourceError: it is no regular file any more, or has other names.
        OSError: it is not there, or the storage failed.
    """
    place = os.open("/", PASSED)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, PASSED, dir_fd=place)
            os.close(place)
            place = inner
        before = os.stat(path.name, dir_fd=place, follow_symlinks=False)
        refuse_irregular(before, name)
        file = os.open(path.name, READ, dir_fd=place)
    finally:
        os.close(place)
    try:
        now = os.fstat(file)
        refuse_irregular(now, name)
        if not os.path.samestat(before, now):
            raise SourceError(f"{name} was exchanged while it was opened.")
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise
