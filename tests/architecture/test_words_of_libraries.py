"""A reason is in our words: a library's own come in through `workers.quoting` only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKERS = sorted((ROOT / "workers").rglob("*.py"))
# A command that a person starts at a terminal, and what the rule itself is made of.
ELSEWHERE = {"workers/demo/__main__.py", "workers/quoting.py"}
# These look for words, and repeat none.
LOOKING = {"workers/runner/endings.py": {"NO_MEMORY.search", "SYSTEM_ERROR.search"}}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in [*WORKERS, *sorted((ROOT / "service" / "core").rglob("*.py"))]:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


OURS = {
    node.name
    for _, tree in parsed()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
}


def kinds(node: ast.expr | None) -> set[str]:
    """The types that a handler catches or an argument has, by their last names."""
    if node is None:
        return {"BaseException"}
    if isinstance(node, ast.Tuple):
        return set().union(*(kinds(one) for one in node.elts))
    if isinstance(node, ast.BinOp):
        return kinds(node.left) | kinds(node.right)
    return {ast.unparse(node).rpartition(".")[2]}


def words_of(body: list[ast.stmt], name: str) -> Iterator[ast.expr]:
    """Where the words of the error of that name are taken."""
    for node in (inner for outer in body for inner in ast.walk(outer)):
        match node:
            case ast.FormattedValue(value=ast.Name(id=found)) if found == name:
                yield node.value
            case ast.Call(func=ast.Name(id="str" | "repr" | "format"), args=[ast.Name(id=found)]):
                if found == name:
                    yield node
            case ast.Attribute(value=ast.Name(id=found), attr="args") if found == name:
                yield node


def allowed(file: str, tree: ast.Module) -> set[int]:
    """Places where words are only looked at, or are of an error that was found to be ours."""
    found: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=called) if ast.unparse(called) in LOOKING.get(file, ()):
                found |= {id(argument) for argument in node.args}
            case ast.Compare(left=ast.Constant(), ops=[ast.In()], comparators=looked):
                found |= {id(one) for one in looked}
            case ast.If(test=test, body=within) if checks_for_ours(test):
                found |= {id(inner) for outer in within for inner in ast.walk(outer)}
            case ast.IfExp(test=test, body=value) if checks_for_ours(test):
                found |= {id(inner) for inner in ast.walk(value)}
    return found


def checks_for_ours(test: ast.expr) -> bool:
    if not ast.unparse(test).startswith("isinstance("):
        return False
    return any(one.id in OURS | {"REFUSALS"} for one in ast.walk(test) if isinstance(one, ast.Name))


def named_errors(node: ast.AST) -> Iterator[tuple[str, set[str], list[ast.stmt]]]:
    """The errors that a handler or a function has a name for, their types, and the code there."""
    if isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name, kinds(node.type), node.body
    if isinstance(node, ast.FunctionDef):
        for argument in node.args.args:
            types = kinds(argument.annotation) if argument.annotation else set()
            if any(name.endswith(("Error", "Exception")) for name in types):
                yield argument.arg, types, node.body


def quoted(file: str, tree: ast.Module) -> Iterator[str]:
    """Lines at which the words of an error are taken that is not ours."""
    fine = allowed(file, tree)
    for node in ast.walk(tree):
        for name, types, body in named_errors(node):
            if types <= OURS:
                continue
            for place in words_of(body, name):
                if id(place) not in fine:
                    yield f"{file}:{place.lineno}"


def test_no_reason_takes_the_words_of_a_librarys_error() -> None:
    found = [
        line for file, tree in parsed() if file not in ELSEWHERE for line in quoted(file, tree)
    ]

    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "try: f()\nexcept ValueError as error: raise DatasetError(f'No: {error}') from error",
        "try: f()\nexcept (DatasetError, KeyError) as e: raise X(str(e)) from e",
        "def told(error: OSError) -> str:\n    return f'No: {error!r}'",
        "try: f()\nexcept Exception as error: told = error.args[0]",
    ],
)
def test_such_words_are_found(code: str) -> None:
    assert list(quoted("workers/x.py", ast.parse(code)))
