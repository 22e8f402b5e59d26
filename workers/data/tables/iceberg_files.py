"""The files of an Iceberg table: which metadata are current, and how they are opened."""

import re
from typing import Any

from workers.data.errors import DatasetError
from workers.data.tables.opening import names_in, open_file, read_file

METADATA = "metadata"
ENDING = ".metadata.json"
# From a catalog 00003-….metadata.json, without one v3.metadata.json, with `.gz` before or behind.
NUMBER = re.compile(r"v?(\d+)(?:-.*)?(?:\.gz)?\.metadata\.json(?:\.gz)?")
HINT = "version-hint.text"
SAME = {"s3a": "s3", "s3n": "s3"}


def url_of(location: str) -> str:
    """A location as a table writes it, as a URL: Hadoop writes `file:/data` and `s3a://bucket`."""
    scheme, colon, rest = location.partition(":")
    if not colon or location.startswith("/"):
        return f"file://{location}"
    if not rest.startswith("//"):
        return f"{scheme}://{rest}"
    return f"{SAME.get(scheme, scheme)}:{rest}"


def current_metadata(uri: str) -> str:
    """The metadata file that `uri` is, or the current one of the table whose folder it is.

    Raises:
        DatasetError: there is none, or more than one may be current.
        OSError: the storage failed; it may answer another time.
    """
    if ENDING in uri.rpartition("/")[2]:
        return uri
    root = uri.rstrip("/")
    names = [name for name in names_in(f"{root}/{METADATA}") if "/" not in name]
    found = {name: int(match[1]) for name in names if (match := NUMBER.fullmatch(name))}
    if not found:
        raise DatasetError(f"{root} is no Iceberg table: there is no {METADATA}/*{ENDING} in it.")
    newest = max(found.values())
    if HINT in names:
        hint = read_file(f"{root}/{METADATA}/{HINT}")[:64].decode("ascii", "replace").strip()
        newest = int(hint) if hint.isascii() and hint.isdigit() else newest
    current = sorted(name for name, number in found.items() if number == newest)
    if len(current) == 1:
        return f"{root}/{METADATA}/{current[0]}"
    if not current:
        raise DatasetError(f"{root}/{METADATA}/{HINT} names a metadata file that is not there.")
    raise DatasetError(
        f"{root} has {len(current)} metadata files with the number {newest}, and only the table's "
        f"catalog knows which one counts: name that {ENDING[1:]} as the URL."
    )


def files_of() -> Any:
    """The files of a table for `pyiceberg`: read alone, and only those that may be opened."""
    from pyiceberg.io import FileIO, InputFile

    class Input(InputFile):  # type: ignore[misc] # not looked into
        def __len__(self) -> int:
            with open_file(self.location) as file:
                return int(file.seek(0, 2))

        def exists(self) -> bool:
            return True

        def open(self, seekable: bool = True) -> Any:  # noqa: ARG002 (they all are)
            return open_file(self.location)

    class Files(FileIO):  # type: ignore[misc] # not looked into
        def new_input(self, location: str) -> Any:
            return Input(url_of(location))

        def new_output(self, location: str) -> Any:
            raise NotImplementedError(location)

        def delete(self, location: Any) -> None:
            raise NotImplementedError(location)

    return Files()
