"""How a Parquet file of a table is to be read, so that it says what the table says of it.

A table's log knows more of a file than the file itself: which rows are deleted, what a column is
called by now, of which type it is, and what it holds where the file has no such column. All of it
is taken from the log once, when the dataset is indexed, and kept with the file's reference. So
every later run reads the same rows at the same positions, needs neither the log nor its library,
and fails where a file is gone.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PHYSICAL = b"physical"


@dataclass(frozen=True)
class View:
    """`rows` are those of the file, deleted ones included.

    `deleted` is a bit for each of them, or empty if none is deleted. `columns` is one row of the
    columns as the table has them. Its fields, also those inside structs, name the column of the
    file in their metadata. A field that names none has in this row what all rows of the file have.
    """

    rows: int
    deleted: str
    columns: str

    @classmethod
    def of(cls, rows: int, deleted: npt.NDArray[np.int64], template: pa.RecordBatch) -> "View":
        """Of a file with this many rows, of which those at the positions `deleted` are deleted."""
        bits = np.zeros(rows, dtype=bool)
        bits[deleted] = True
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, template.schema) as stream:
            stream.write_batch(template)
        packed = _text(np.packbits(bits).tobytes()) if bits.any() else ""
        return cls(rows, packed, _text(sink.getvalue().to_pybytes()))

    @cached_property
    def template(self) -> pa.RecordBatch:
        return pa.ipc.open_stream(_bytes(self.columns)).read_next_batch()

    @cached_property
    def kept(self) -> npt.NDArray[np.bool_] | None:
        """For each row of the file, whether it is in the table; None: all are."""
        if not self.deleted:
            return None
        bits = np.frombuffer(_bytes(self.deleted), dtype=np.uint8)
        kept: npt.NDArray[np.bool_] = np.unpackbits(bits, count=self.rows) == 0
        return kept

    @property
    def live(self) -> int:
        """How many of its rows are in the table."""
        return self.rows if self.kept is None else int(self.kept.sum())


def _text(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def _bytes(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def template(fields: Sequence[pa.Field], constants: Mapping[str, Any]) -> pa.RecordBatch:
    """The row of a `View`: constants by column, null elsewhere."""
    columns = [constants.get(field.name) for field in fields]
    arrays = [
        pa.nulls(1, field.type) if value is None else pa.array([value], field.type)
        for field, value in zip(fields, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def named_in_file(field: pa.Field, physical: str | None) -> pa.Field:
    """The field of a table, and what the file calls it; None: the file has no such column."""
    return field.with_metadata(None if physical is None else {PHYSICAL: physical.encode()})


def name_in_file(field: pa.Field) -> str | None:
    name = (field.metadata or {}).get(PHYSICAL)
    return None if name is None else name.decode()
