"""Globs over folders of this machine. They follow no link to a folder."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from fsspec.utils import glob_translate

from service.core.sources import SourceError

ANYWHERE = "**"
Look = Callable[[Path], object]


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, in order of name, without what is hidden."""
    with os.scandir(folder) as found:
        seen = [entry for entry in found if not entry.name.startswith(".")]
    return sorted(seen, key=lambda entry: entry.name)


def matches(base: Path, pattern: tuple[str, ...], look: Look) -> list[str]:
    """The names below a folder, from it on, that a pattern in segments matches.

    `base` is a path without links. Nothing hidden is matched. `look` refuses folders that may not
    be looked into.

    Raises:
        SourceError: from `look`; or a link to a folder is in the way, and what it leads to is not
            matched itself.
        ValueError: the pattern is none.
        OSError: the storage failed.
    """
    return sorted({str(name) for name in _walk(base, Path(), pattern, pattern, look)})


def _walk(
    base: Path, folder: Path, left: tuple[str, ...], pattern: tuple[str, ...], look: Look
) -> Iterator[Path]:
    """What the rest of a pattern matches in a folder, which is named from `base` on."""
    first, rest = left[0], left[1:]
    if first == ANYWHERE and rest:
        yield from _walk(base, folder, rest, pattern, look)
    look(base / folder)
    for entry in entries_of(base / folder):
        if not segment(first).fullmatch(entry.name):
            continue
        name = folder / entry.name
        if not rest and not (first == ANYWHERE and Path(entry.path).is_dir()):
            yield name
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(base, name, left if first == ANYWHERE else rest, pattern, look)
        elif Path(entry.path).is_dir() and not is_found_otherwise(base, name, pattern):
            raise SourceError(
                f"{name} in it is a link to a folder, which a glob does not follow. Put there what "
                "it leads to, or name the folder."
            )


def is_found_otherwise(base: Path, name: Path, pattern: tuple[str, ...]) -> bool:
    """Whether what a link to a folder leads to lies below `base`, where the pattern finds it."""
    target = Path(os.path.realpath(base / name))
    if not target.is_relative_to(base):
        return False
    if ANYWHERE in pattern:
        return True
    real = target.relative_to(base).parts
    return len(real) == len(name.parts) and all(
        segment(one).fullmatch(part) and not part.startswith(".")
        for one, part in zip(pattern, real, strict=False)
    )


@lru_cache(maxsize=256)
def segment(pattern: str) -> re.Pattern[str]:
    """What one segment of a pattern matches, by the rules of fsspec.

    Python's own form of it goes back over no asterisk, of which a segment may have many.

    Raises:
        ValueError: the pattern is none.
    """
    glob_translate(pattern)
    return re.compile(".*" if pattern == ANYWHERE else fnmatch.translate(pattern), re.DOTALL)
