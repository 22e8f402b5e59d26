"""Columns of IDs, as text."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workers.data.errors import DatasetError
from workers.data.layouts import (
    UUID,
    WRITE_AS_TEXT,
    bare,
    extension_name,
    is_binary,
    is_json,
    is_text,
    name_of,
    plain,
)

TEXT, INTEGERS, UUIDS = "text", "integers", "UUIDs"
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
# Where the 32 digits of a UUID stand in its 36 characters.
DIGITS = np.delete(np.arange(36), [8, 13, 18, 23])


def kind_of_ids(kind: pa.DataType, column: str = "ID column") -> str:
    """What such a column is said to hold: text, integers or UUIDs.

    Raises:
        DatasetError: another type, which has no one spelling.
    """
    inner = kind
    while pa.types.is_dictionary(inner) or pa.types.is_run_end_encoded(inner):
        inner = inner.value_type
    if extension_name(inner) == UUID:
        return UUIDS
    if is_text(inner):
        return TEXT
    inner = inner if is_json(inner) else bare(inner)
    if pa.types.is_integer(inner) or (pa.types.is_decimal(inner) and inner.scale == 0):
        return INTEGERS
    raise DatasetError(
        f"The {column} holds {name_of(kind)}: it must hold text, integers or UUIDs.{_advice(inner)}"
    )


def _advice(kind: pa.DataType) -> str:
    if is_json(kind):
        return f" {WRITE_AS_TEXT}"
    if pa.types.is_floating(kind):
        return " Floating-point numbers have no one spelling: cast them to integers or text."
    if is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return " Bytes have no one spelling: cast them to text, or 16 bytes to UUIDs."
    return " Cast it to text."


def as_text(ids: Any) -> pa.Array:
    """A column of IDs as text (`large_string`).

    Integers, and decimals without a fraction, are written in decimal, UUIDs in lower case with
    hyphens.

    Raises:
        DatasetError: another type than text, integers or UUIDs.
    """
    kind = kind_of_ids(ids.type)
    held = plain(ids)
    return _spelled(held) if kind == UUIDS else pc.cast(held, pa.large_string())


def _spelled(uuids: Any) -> pa.Array:
    count = len(uuids)
    raw = np.frombuffer(uuids.buffers()[1], np.uint8)[16 * uuids.offset :][: 16 * count]
    octets = raw.reshape(count, 16)
    digits = np.stack([HEX[octets >> 4], HEX[octets & 15]], axis=-1).reshape(count, 32)
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, DIGITS] = digits
    offsets = pa.py_buffer(np.arange(count + 1, dtype=np.int64) * 36)
    spelled = pa.LargeStringArray.from_buffers(count, offsets, pa.py_buffer(text))
    if not uuids.null_count:
        return spelled
    return pc.if_else(uuids.is_valid(), spelled, pa.scalar(None, pa.large_string()))
