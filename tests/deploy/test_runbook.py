"""The runbook of faults lists each drill, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "docs" / "runbooks" / "faults.md"


def drills() -> list[str]:
    """The names of all tests that carry the mark `faults`, as sentences."""
    found = []
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "pytestmark = pytest.mark.faults" in source:
            names = [node.name for node in ast.parse(source).body if hasattr(node, "name")]
            found += [name for name in names if name.startswith("test_")]
    return [name.removeprefix("test_").replace("_", " ") for name in found]


def test_the_runbook_lists_each_drill_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", FAULTS.read_text(encoding="utf-8"), re.MULTILINE)
    listed = [row for row in rows if row not in ("drill", "---")]

    assert sorted(listed) == sorted(drills())
    assert len(listed) >= 30
