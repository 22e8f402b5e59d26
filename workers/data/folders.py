"""What else lies in a folder of Parquet files."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from workers.data.errors import DatasetError
from workers.quoting import LEFT_OUT

# Rows in another form than Parquet, or in Parquet under another name. What describes rows, such as
# `dataset_info.json`, is not among them.
OTHER_FORMS = (
    ".arrow", ".avro", ".csv", ".duckdb", ".feather", ".h5", ".hdf5", ".ipc", ".jsonl", ".ndjson",
    ".npy", ".npz", ".orc", ".parq", ".pq", ".sqlite", ".tar", ".tfrecord", ".tsv", ".xlsx",
)  # fmt: skip
PACKED = (".bz2", ".gz", ".gzip", ".xz", ".zip", ".zst")
SUFFIX = ".parquet"


def refuse_rows_left_out(filesystem: Any, path: str, uri: str) -> None:
    """Refuse a folder, if `path` is one, of which only a part would be read. It is no glob.

    Raises:
        DatasetError: there are rows in another form, or in folders below.
        OSError: the storage failed; it may answer another time.
    """
    if filesystem.info(path)["type"] != "directory":
        return
    entries = {PurePosixPath(one["name"]).name: one for one in filesystem.ls(path, detail=True)}
    # Writers keep what is no data under such names.
    shown = sorted(name for name in entries if not name.startswith((".", "_")))
    folders = [name for name in shown if entries[name]["type"] == "directory"]
    _refuse([name for name in shown if name not in folders], folders, uri.rstrip("/"))


def _refuse(files: Sequence[str], folders: Sequence[str], uri: str) -> None:
    others = [name for name in files if _holds_rows(name)]
    if others:
        raise DatasetError(
            f"The folder {uri} holds {_listed(others)}, which would be left out: only files "
            f"whose names end in {SUFFIX} are read from a folder. Rename it if it is Parquet, "
            f"write its rows as Parquet if not, or name what to read, as by {uri}/*{SUFFIX}."
        )
    parts = [f"{name.partition('=')[0]}={LEFT_OUT}" for name in folders if "=" in name]
    if parts:
        raise DatasetError(
            f"The folder {uri} is partitioned into {_listed(parts)}: name its files by the pattern "
            f"{uri}/**/*.parquet. What stands in the names of folders is not read, so a column "
            "that is needed must be in the files as well."
        )
    if folders and not any(name.endswith(SUFFIX) for name in files):
        raise DatasetError(
            f"The folder {uri} holds no Parquet files, only folders: name the files in them by a "
            f"pattern such as {uri}/**/*.parquet."
        )


def _holds_rows(name: str) -> bool:
    lower = name.lower()
    for packed in PACKED:
        if lower.endswith(packed):
            return lower.removesuffix(packed).endswith((SUFFIX, ".json", *OTHER_FORMS))
    return lower.endswith(OTHER_FORMS)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
