"""Looking into a Delta log before the library does, which opens whatever the log names."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workers.data.errors import DatasetError
from workers.data.tables.opening import names_in, open_file

LOG = "_delta_log"
# What a log says of files beside it: deletion vectors, and the parts of a checkpoint.
VECTOR = ("add.deletionVector.storageType", "add.deletionVector.pathOrInlineDv")
SIDECAR = ("sidecar.path",)


def refuse_foreign_files(root: str) -> bool:
    """Refuse a log that has a deletion vector or a part of a checkpoint read from elsewhere.

    Returns whether there is a log. Data files are not looked at: their URLs are checked when they
    are opened.

    Raises:
        DatasetError: there is such a file, or the log is damaged.
        OSError: the storage failed; it may answer another time.
    """
    names = names_in(f"{root}/{LOG}")
    for name in names:
        uri = f"{root}/{LOG}/{name}"
        if name.endswith(".json") and name[:1].isdigit():
            found = _in_lines(uri)
        elif name.endswith(".parquet"):
            found = _in_checkpoint(uri)
        else:
            continue
        for kind, path in found:
            if kind == "p" or (kind == "sidecar" and "/" in path):
                raise DatasetError(
                    f"{uri} names a file by an absolute path, which is not opened. Compact the "
                    "table in its own folder, or export a snapshot to plain Parquet files."
                )
    return bool(names)


def _in_lines(uri: str) -> Iterator[tuple[str, str]]:
    with open_file(uri) as lines:
        for line in lines:
            if b"deletionVector" in line or b"sidecar" in line:
                try:
                    action = json.loads(line)
                except (ValueError, RecursionError):
                    raise DatasetError(f"{uri} is no log of a Delta table.") from None
                yield from _named(action)


def _in_checkpoint(uri: str) -> Iterator[tuple[str, str]]:
    try:
        with open_file(uri) as raw, pq.ParquetFile(raw) as file:
            for batch in file.iter_batches(columns=[*VECTOR, *SIDECAR]):
                for action in batch.to_pylist():
                    yield from _named(action)
    except pa.ArrowException:
        raise DatasetError(f"{uri} cannot be read as Parquet.") from None


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
