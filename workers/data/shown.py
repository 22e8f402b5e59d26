"""How a sentence names a file of a dataset: without what may be a sample's ID in its path.

Tables and folders that are partitioned by a column have its values in their folders' names, as in
`id=17/part-0.parquet` or `17/part-0.parquet`. Folders below the registered URL are therefore told
by the column at most, and the file by its number.
"""

import re
from collections.abc import Iterable
from itertools import takewhile

from workers.quoting import LEFT_OUT

WILD = re.compile(r"[*?\[]")
# A folder, or a file, that is called by a column and a value. A folder's name may hold blanks.
FOLDER = re.compile(r"(?<=/)([^/=\s]+)=[^/]*(?=/)")
NAME = re.compile(r"(?:^|(?<=[\s/'\"(]))([A-Za-z_][^/=\s'\"(]*)=[^/\s'\",:]+")

PRIVATE = range(0xE000, 0xF8FF)


class Shown:
    """The files of a dataset by the names that may be told, in order of name."""

    def __init__(self, base: str) -> None:
        """`base` is the URL that was registered, or the folder that all files have in common."""
        whole = base.rstrip("/").split("/")
        wild = next((at for at, part in enumerate(whole) if WILD.search(part)), len(whole))
        self._base = "/".join(whole[:wild]).removeprefix("file://")
        self.told: dict[str, str] = {}

    def add(self, uri: str) -> str:
        """The next file -> what to call it."""
        if uri not in self.told:
            told = self.masked(uri, r"[^/]")
            if told != uri:
                told = f"{told} (file {len(self.told)}, from 0 in order of name)"
            self.told[uri] = told
        return self.told[uri]

    def within(self, text: str, beside: "Shown | None" = None) -> str:
        """A sentence with the names of these files, and of those `beside` them, as they are told.

        Any other path is told without folders and values.
        """
        both = [self] if beside is None else [self, beside]
        known = {uri: told for one in both for uri, told in one.told.items() if uri in text}
        # Characters that no sentence has stand for the names meanwhile.
        marks = dict(zip(sorted(known, key=len, reverse=True), map(chr, PRIVATE), strict=False))
        for uri, mark in marks.items():
            text = text.replace(uri, mark)
        for one in both:
            text = one.masked(text, r"[^/\s]")
        for uri, mark in marks.items():
            text = text.replace(mark, known[uri])
        return text

    def masked(self, text: str, of_name: str) -> str:
        """Without the values of partitions, and without folders below the base.

        `of_name` matches what a folder's name may hold: a blank may end a name in a sentence.
        """
        text = NAME.sub(rf"\1={LEFT_OUT}", FOLDER.sub(rf"\1={LEFT_OUT}", text))
        if not self._base:
            return text
        below = re.compile(rf"({re.escape(self._base)})/((?:{of_name}+/)+)")
        return below.sub(lambda found: f"{found[1]}/{_folders(found[2])}", text)


def _folders(names: str) -> str:
    kept = (part if "=" in part else LEFT_OUT for part in names.rstrip("/").split("/"))
    return "".join(f"{part}/" for part in kept)


def shown(uris: Iterable[str]) -> Shown:
    """Names of files without their registered URL: the folder of all of them stands for it."""
    names = list(uris)
    levels = zip(*(name.split("/")[:-1] for name in names), strict=False)
    shared = takewhile(lambda level: len(set(level)) == 1, levels)
    made = Shown("/".join(level[0] for level in shared))
    for name in names:
        made.add(name)
    return made
