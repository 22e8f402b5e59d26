"""From what was registered to a state of the table."""

from collections.abc import Sequence

from workers.data.tables import delta, iceberg
from workers.data.tables.snapshot import Snapshot


def take_snapshot(
    kind: str, uri: str, version: str | None, columns: Sequence[str]
) -> Snapshot | None:
    """What is to be read of a table of this kind; None: `uri` names plain Parquet files.

    Raises:
        DatasetError: the table cannot be read, or has no such version.
        OSError: the storage failed; it may answer another time.
    """
    match kind:
        case "delta":
            return delta.take(uri, version, columns)
        case "iceberg":
            return iceberg.take(uri, version, columns)
        case _:
            return None


def version_of(snapshot: Snapshot | None) -> str | None:
    return None if snapshot is None else snapshot.version
