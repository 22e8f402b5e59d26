"""Rows of a batch that hold no input."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Misfits:
    """`rows` counts from the batch's first one; `complaint` goes on after "Row 3"."""

    rows: list[int] = field(default_factory=list)
    complaint: str = ""


NONE = Misfits()
