"""The IDs of a dataset in a file of scratch space, between the process that reads and the worker.

The file is an Arrow stream: nothing in it is code, and it is read one batch at a time.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from workers.data.index import Chunk

SCHEMA = pa.schema([pa.field("sample_id", pa.large_string(), nullable=False)])


def store_ids(target: Path, chunks: Iterable[Chunk]) -> int:
    """Write IDs that come in the order of their rows; returns how many.

    Raises:
        OSError: the disk is full.
    """
    rows = 0
    with target.open("wb") as file, pa.ipc.new_stream(file, SCHEMA) as stream:
        for chunk in chunks:
            stream.write_batch(pa.record_batch([chunk.ids], schema=SCHEMA))
            rows += len(chunk.ids)
    return rows


def stored_ids(source: Path) -> Iterator[Chunk]:
    """What `store_ids` has written.

    Raises:
        pyarrow.ArrowInvalid: it is no such file.
    """
    row = 0
    with pa.memory_map(str(source)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            batch.validate(full=True)
            yield Chunk(row, batch.column("sample_id"))
            row += len(batch)
