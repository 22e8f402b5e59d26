"""Each word of the glossary names what exists."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
ROW = re.compile(
    r"^\| (?P<word>[^|]+) \| (?P<meaning>[^|]+) \| `(?P<name>[^`|]+)` \|$", re.MULTILINE
)
ROWS = list(ROW.finditer(GLOSSARY.read_text(encoding="utf-8")))


@cache
def code() -> str:
    files = [path for folder in ("service", "workers") for path in (ROOT / folder).rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_every_row_of_the_tables_is_read() -> None:
    rows = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    headings = [line for line in rows if line.startswith("| word |")]
    assert len(ROWS) == len(rows) - len(headings) > 40


@pytest.mark.parametrize("row", ROWS, ids=[row["word"] for row in ROWS])
def test_what_stands_in_the_last_column_exists(row: re.Match[str]) -> None:
    name = row["name"]
    if "/" in name:
        assert (ROOT / name).exists()
    else:
        assert re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", code())


def test_no_word_is_explained_twice() -> None:
    words = [word for row in ROWS for word in row["word"].split(", ")]
    assert len(words) == len(set(words))
