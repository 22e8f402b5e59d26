"""Text that is none: Parquet says of a column that it is UTF-8, and holds any bytes."""

from typing import Any

import pyarrow as pa

from workers.data.layouts import plain


def rows_not_utf8(column: Any) -> list[int]:
    """The rows of a batch of text whose bytes are not UTF-8."""
    held = plain(column)
    try:
        held.validate(full=True)
    except pa.ArrowInvalid:
        encoded = held.cast(pa.large_binary()).to_pylist()
        return [row for row, one in enumerate(encoded) if one is not None and not is_utf8(one)]
    return []


def is_utf8(encoded: bytes) -> bool:
    try:
        encoded.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
