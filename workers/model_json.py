"""Damage of the files that describe a model: found before a library of others stumbles over it."""

import json
from pathlib import Path
from typing import Any

from workers.artifacts import ArtifactError

# The largest tokenizers have some 40 MB.
LARGEST = 256 * 2**20
# Libraries written in Rust stop at 128, and nothing that describes a model needs ten.
DEEPEST = 100
# What holds a list; everything else holds an object.
LISTS = {"modules.json"}
TEXTS = {"vocab.txt", "merges.txt", "bpe.codes", "dict.txt", "chat_template.jinja"}


def refuse_damage(directory: Path) -> None:
    """Look at every file of a fetched model that is JSON or text.

    Raises:
        ArtifactError: one is damaged; the message names it.
    """
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.suffix == ".json":
            _refuse_json(path, name)
        elif path.name in TEXTS:
            _text_of(path, name)


def _refuse_json(path: Path, name: str) -> None:
    text = _text_of(path, name)
    if not text.strip():
        raise ArtifactError(f"{name} is empty: save it again.")
    try:
        said = json.loads(text)
    except RecursionError as error:
        raise ArtifactError(f"{name} {_TOO_DEEP}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ArtifactError(f"{name} is not JSON: {error.msg} at {where}.") from error
    except ValueError as error:
        # Such as a number of more digits than Python reads.
        raise ArtifactError(f"{name} is not JSON that can be read: save it again.") from error
    if is_deeper(said, DEEPEST):
        raise ArtifactError(f"{name} {_TOO_DEEP}.")
    wanted = list if path.name in LISTS else dict
    if not isinstance(said, wanted):
        what = "a list" if wanted is list else "an object"
        raise ArtifactError(f"{name} holds {_KINDS[type(said)]}, and must hold {what}.")


_TOO_DEEP = f"is nested more than {DEEPEST} levels deep: nothing that describes a model is"
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def is_deeper(said: Any, levels: int) -> bool:
    """Whether objects and lists lie in each other more levels deep than this."""
    layer = [said]
    for _level in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _text_of(path: Path, name: str) -> str:
    size = path.stat().st_size
    if size > LARGEST:
        raise ArtifactError(f"{name} has {size} bytes, and at most {LARGEST} are read.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"{name} is not UTF-8: its byte {error.start} is none of it."
        ) from error
