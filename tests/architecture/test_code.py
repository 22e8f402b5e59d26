"""House rules that a search can check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(
    path for folder in ("service", "workers") for path in (ROOT / folder).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 300
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(tree: ast.AST) -> list[str]:
    """Everything that is called, as it is written."""
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_there_is_code_to_look_at() -> None:
    assert len(PRODUCT) > 80


@pytest.mark.parametrize("folder", ["service", "workers", "migrations", "tests"])
def test_no_file_is_longer_than_300_lines(folder: str) -> None:
    generated = ROOT / "migrations" / "versions"
    long = [
        (name(path), lines)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if generated not in path.parents
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert long == []


def test_nothing_is_ever_unpickled() -> None:
    offenders = []
    for path in PRODUCT:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if imports(tree) & UNPICKLERS or "torch.load" in calls(tree):
            offenders.append(name(path))
        # NumPy unpickles only where it is told to.
        if re.search(r"allow_pickle\s*=\s*True", path.read_text(encoding="utf-8")):
            offenders.append(name(path))
    assert offenders == []


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b")
    left = [name(path) for path in [*PRODUCT, *TESTS] if marks.search(path.read_text("utf-8"))]

    assert left == []


def test_no_two_test_files_have_the_same_name() -> None:
    """Most test folders are no packages, so pytest tells their files apart by name."""
    names = [path.name for path in TESTS if path.name.startswith("test_")]

    assert len(names) == len(set(names))
