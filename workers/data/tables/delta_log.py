"""Looking into a Delta log before the library does, which opens whatever the log names."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from service.core.sources import SourceError
from workers.data import places
from workers.data.errors import DatasetError
from workers.data.locations import fault
from workers.data.parquet import open_parquet
from workers.data.tables.opening import names_in, open_file

LOG = "_delta_log"
# What a log says of files beside it: deletion vectors, and the parts of a checkpoint.
VECTOR = ("add.deletionVector.storageType", "add.deletionVector.pathOrInlineDv")
SIDECAR = ("sidecar.path",)
BESIDE, ANYWHERE = "u", "p"
# A line of a log without these says nothing of such files. JSON may write letters as numbers.
TELLING = (b"deletionVector", b"sidecar", b"\\u")
# The name of a vector's file is a UUID in the digits of Z85, behind an optional folder. Readers
# join both to the table's URL, where `file:` or a backslash would lead out of the table.
NAME = 20
FOLDER = re.compile(r"[\w-]*")
SIDECAR_FILE = re.compile(r"[\w.-]+")
Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def refuse_foreign_files(root: str) -> bool:
    """Refuse a log that has anything read but regular files of the table's own folder.

    Returns whether there is a log. Data files are not looked at: they are checked when they are
    opened.

    Raises:
        DatasetError: there is such a file, or the log is damaged.
        OSError: the storage failed; it may answer another time.
    """
    names = names_in(f"{root}/{LOG}")
    vectors: set[str] = set()
    for name in names:
        uri = f"{root}/{LOG}/{name}"
        for kind, path in _read(uri):
            if kind == ANYWHERE or (kind == "sidecar" and not SIDECAR_FILE.fullmatch(path)):
                raise DatasetError(
                    f"{uri} names a file by an absolute path, which is not opened. Compact the "
                    "table in its own folder, or export a snapshot to plain Parquet files."
                )
            if kind == BESIDE:
                vectors.add(_name(path, uri))
    if root.startswith("file:"):
        for vector in sorted(vectors):
            _refuse_irregular(f"{root}/{vector}")
    return bool(names)


def _read(uri: str) -> Iterator[tuple[str, str]]:
    """The kind and the path of each file that a file of the log names."""
    if uri.endswith(".json"):
        yield from _in_lines(uri)
    elif uri.endswith(".parquet"):
        yield from _in_checkpoint(uri)
    else:
        with open_file(uri):
            return


def _in_lines(uri: str) -> Iterator[tuple[str, str]]:
    with open_file(uri) as lines:
        for line in lines:
            if any(word in line for word in TELLING):
                try:
                    action = json.loads(line)
                except (ValueError, RecursionError):
                    raise DatasetError(f"{uri} is no log of a Delta table.") from None
                yield from _named(action)


def _in_checkpoint(uri: str) -> Iterator[tuple[str, str]]:
    with open_parquet(uri) as file:
        for batch in file.iter_batches(columns=[*VECTOR, *SIDECAR]):
            for action in batch.to_pylist():
                yield from _named(action)


def _named(action: Any) -> Iterator[tuple[str, str]]:
    """The kind and the path of each file that an action names."""
    if not isinstance(action, dict):
        return
    for kind in ("add", "remove"):
        vector = (action.get(kind) or {}).get("deletionVector")
        if vector and vector.get("storageType") is not None:
            yield str(vector["storageType"]), str(vector.get("pathOrInlineDv"))
    sidecar = action.get("sidecar")
    if sidecar and sidecar.get("path") is not None:
        yield "sidecar", str(sidecar["path"])


def _name(path: str, uri: str) -> str:
    """The name of a vector's file, from the table's folder on."""
    folder, code = path[:-NAME], path[-NAME:]
    try:
        if not FOLDER.fullmatch(folder):
            raise ValueError
        octets = base64.b85decode(code.encode("ascii").translate(bytes.maketrans(Z85, B85)))
        name = f"deletion_vector_{UUID(bytes=octets)}.bin"
    except ValueError:
        raise DatasetError(f"{uri} names a deletion vector that no file can have.") from None
    return f"{folder}/{name}" if folder else name


def _refuse_irregular(uri: str) -> None:
    try:
        places.open_file(uri).close()
    except FileNotFoundError:
        # Older vectors are cleaned up; the log still names them.
        return
    except (SourceError, PermissionError) as error:
        raise DatasetError(fault(uri, error)) from error
