"""A row of the table in docs/models.md, and what it is tried with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.workers.pretrained.parents import PRETRAINED
from workers.plan import AnyArchitecture

DATA = Path(__file__).parents[3] / "data"
Check = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Case:
    """What a tool saves in a directory, by `save`, and the answer to it.

    given: the kind of dataset that the model is registered with.
    refusal: words of the reason, for what is refused.
    check: looks at the directory and at version 1 of what is read.
    """

    tool: str
    version: str
    what: str
    answer: str
    save: Callable[[Path], object]
    given: str = "texts"
    architecture: AnyArchitecture = PRETRAINED
    refusal: str = ""
    check: Check = lambda _directory, _first: None

    @property
    def is_read(self) -> bool:
        return not self.refusal

    @property
    def row(self) -> str:
        return f"| {self.tool} | {self.version} | {self.what} | {self.answer} |"
