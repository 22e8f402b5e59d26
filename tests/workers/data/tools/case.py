"""One form that a tool writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.data.specs import ArraySpec, InputSpec

PIXELS = ArraySpec("pixels", (2, 3))
IDS = ("s-0", "s-1")


@dataclass(frozen=True)
class Case:
    """A row of the table "What today's tools write" in docs/api.md.

    `answer` is its last column: it begins with "read" or "refused". `write` puts the files into an
    empty directory, or says where they lie, and returns the dataset's `uri`. What is read must have
    the `ids`, and `expected` of each row: numbers, a text, or an encoded image. What is refused
    must say the `refusal`, a part of the sentence. Of a table, `format` says which.
    """

    tool: str
    version: str
    what: str
    answer: str
    write: Callable[[Path], str]
    inputs: Sequence[InputSpec] = (PIXELS,)
    ids: Sequence[str] = ()
    expected: npt.NDArray[Any] | Sequence[Any] = ()
    refusal: str = ""
    format: str = "parquet"
    id_column: str = "sample_id"

    @property
    def row(self) -> str:
        return f"| {self.tool} | {self.version} | {self.what} | {self.answer} |"

    @property
    def is_read(self) -> bool:
        return self.answer.startswith("read")


def pixels(rows: int, kind: npt.DTypeLike = np.int16) -> npt.NDArray[Any]:
    """Small numbers (rows, 2, 3), all of them different."""
    return np.arange(1, rows * 6 + 1).astype(kind).reshape(rows, 2, 3)
