"""What tells that a file belongs to a table with a log, whose deleted rows it may still hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workers.data.errors import DatasetError

EXPORT = "which is not read: export a snapshot of it to plain Parquet files and register these."
APART = ', or "holdout_format" for held-out files.'
LOGS = {
    "delta": ("a Delta table", f'register its folder with "format": "delta"{APART}'),
    "iceberg": ("an Iceberg table", f'register its folder with "format": "iceberg"{APART}'),
    "hudi": ("a Hudi table", EXPORT),
    "lance": ("a Lance table", EXPORT),
    "paimon": ("a Paimon table", EXPORT),
    "ducklake": ("a DuckLake table", EXPORT),
}
# What stands beside or above the data files of a table, and of which kind it then is.
BESIDE = ("_delta_log", "metadata", ".hoodie", "_versions", "manifest")


def refuse_tables(filesystem: Any, fixed: str, names: Sequence[str]) -> None:
    """Refuse files that belong to a table with a log.

    `names` are files below `fixed`, the path or the part of it before the first wildcard. The
    folders from `fixed` down are listed once each. Of those above it only single names are asked
    for, because such a folder may be long, or may not be readable.

    Raises:
        DatasetError: there is such a table; the message says how to register it.
        OSError: the storage failed; it may answer another time.
    """
    for name in names:
        if name.rpartition("/")[2].startswith("ducklake-"):
            raise DatasetError(refusal(filesystem, _folder(name), "ducklake"))
    look = _Look(filesystem, fixed)
    known: set[str] = set()
    for start in (fixed, *map(_folder, names)):
        for folder in _upwards(start, known):
            kind = look.kind(folder)
            if kind is not None:
                raise DatasetError(refusal(filesystem, folder, kind))


def refusal(filesystem: Any, folder: str, kind: str) -> str:
    what, advice = LOGS[kind]
    place = filesystem.unstrip_protocol(folder)
    if advice is EXPORT:
        return f"{place} is {what}, {advice}"
    return f"{place} is {what}, whose files also hold rows that were deleted from it: {advice}"


def _upwards(name: str, known: set[str]) -> Iterator[str]:
    """A path and the folders above it that were not looked at before, the innermost first."""
    while name and name not in known:
        known.add(name)
        yield name
        name = _folder(name)


def _folder(name: str) -> str:
    return name.rstrip("/").rpartition("/")[0]


@dataclass
class _Look:
    filesystem: Any
    fixed: str

    def kind(self, folder: str) -> str | None:
        """Of which kind the table is whose folder this is; None: it is the folder of no table."""
        below = folder == self.fixed or folder.startswith(self.fixed.rstrip("/") + "/")
        found = self._listed(folder) if below else self._probed(folder)
        if "_delta_log" in found:
            return "delta"
        if ".hoodie" in found:
            return "hudi"
        if "metadata" in found and self._holds(f"{folder}/metadata", ".metadata.json"):
            return "iceberg"
        if folder.endswith(".lance") or (
            "_versions" in found and self._holds(f"{folder}/_versions", ".manifest")
        ):
            return "lance"
        if "manifest" in found and {"snapshot", "schema"} <= self._listed(folder):
            return "paimon"
        return None

    def _holds(self, folder: str, ending: str) -> bool:
        return any(name.endswith(ending) for name in self._listed(folder))

    def _listed(self, folder: str) -> set[str]:
        try:
            return {_last(name) for name in self.filesystem.ls(folder, detail=False)} - {""}
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def _probed(self, folder: str) -> set[str]:
        return {name for name in BESIDE if self._is_there(f"{folder}/{name}")}

    def _is_there(self, path: str) -> bool:
        try:
            self.filesystem.info(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            # What is above may be forbidden to look at, although the files may be read.
            return False
        return True


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]
