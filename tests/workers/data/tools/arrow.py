"""What pyarrow writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.workers.data.tools.case import Case, pixels

TOOL = ("pyarrow", pa.__version__)
IDS = ("s-0", "s-1")


def table(**columns: Any) -> Callable[[Path], str]:
    """A file with these columns beside an ID column, unless that is one of them."""

    def write(directory: Path) -> str:
        given = {"sample_id": list(IDS), **columns}
        pq.write_table(pa.table(given), directory / "a.parquet")
        return directory.as_uri()

    return write


FLAT = pixels(2).reshape(2, 6).tolist()

CASES = [
    Case(
        *TOOL,
        "lists, large lists and fixed-size lists of numbers",
        "read",
        table(pixels=pa.array(FLAT, pa.list_(pa.int16(), 6))),
        ids=IDS,
        expected=pixels(2),
    ),
    Case(
        *TOOL,
        "IDs as binary",
        "refused: bytes have no one spelling; cast them to text",
        table(sample_id=pa.array([b"s-0", b"s-1"]), pixels=FLAT),
        refusal="holds binary: it must hold text, integers or UUIDs",
    ),
]
