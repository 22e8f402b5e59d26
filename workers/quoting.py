"""What a reason may repeat of a library's error.

Libraries quote what they read: a value of a configuration, a text, an ID. So a reason is written by
this program, and takes an error's own words only through this module:

- once rows were read, `of_rows`: the error's type, and its words only where they are one of torch's
  sentences about shapes and types of numbers;
- before that, `of_files`: its words without what the model's files hold;
- of a factory that is called with what the registration says, `of_registration`: its words.

The log holds an error's words by the same rule (`in_log`). Where a reason of our own has to repeat
what a configuration calls a class or a prompt, it does so by `name_in`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LENGTH = 300
LEFT_OUT = "…"
# Strings of fewer characters are parts of many words, and tell nothing of a person.
SHORTEST = 4
# What is larger is a vocabulary: it is searched for what an error quotes, and not split up.
LARGEST_CONFIG = 2**20
NAMED = ("architectures", "model_type")
# As classes, kinds of networks and folders are called.
NAME = re.compile(r"[\w./-]{1,100}")
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"|`([^`]*)`")
_SIZES = r"(?:torch\.Size\()?[\[(][-\dx, ]*[\])]\)?"
_KIND = r"(?:torch\.|c10::)?[A-Za-z]\w{0,15}"
ABOUT_SHAPES = [
    re.compile(" ".join(lines.split("\n")).replace("SIZES", _SIZES).replace("KIND", _KIND))
    for lines in r"""
mat1 and mat2 shapes cannot be multiplied \(\d+x\d+ and \d+x\d+\)

mat1 and mat2 must have the same dtype, but got KIND and KIND

expected scalar type KIND but found KIND

Input type \(KIND\) and bias type \(KIND\) should be the same

Given groups=\d+, weight of size SIZES, expected inputSIZES to have \d+ channels, but got \d+
channels instead

Expected \d+D(?: \(unbatched\))? or \d+D(?: \(batched\))? input to \w{1,20}, but got input of
size: SIZES

Calculated padded input size per channel: SIZES. Kernel size: SIZES. Kernel size can't be greater
than actual input size

The size of tensor a \(\d+\) must match the size of tensor b \(\d+\) at non-singleton dimension \d+

shape 'SIZES' is invalid for input of size \d+

Expected more than 1 value per channel when training, got input size SIZES

Given normalized_shape=SIZES, expected input with shape SIZES, but got input of sizeSIZES

element 0 of tensors does not require grad and does not have a grad_fn

index out of range in self

Dimension out of range \(expected to be in range of \[-?\d+, -?\d+\], but got -?\d+\)
""".strip().split("\n\n")
]


def of_rows(error: BaseException) -> str:
    """An error that came up while the program had rows: a clause such as `RuntimeError`."""
    kind, said = type(error).__name__, " ".join(str(error).split())
    known = any(pattern.fullmatch(said) for pattern in ABOUT_SHAPES)
    return f"{kind} ({said})" if known else kind


def name_in(said: object) -> str:
    """What a configuration calls a class, a kind or a prompt, if it is a name and no other text."""
    return str(said) if NAME.fullmatch(str(said)) else f"a {type(said).__name__} that is not a name"


def of_registration(error: Exception) -> str:
    """An error of a factory, which knows the registration's own words and has read no row."""
    return _cut(" ".join(str(error).split()))


def of_files(error: Exception, directory: Path | None = None) -> str:
    """An error that came up before any row was read: its words, without what it quotes of files.

    A string that a file of the model's `directory` holds is replaced by the name of its field, and
    any other that it quotes and a file holds, by dots. Without a directory, all that it quotes is.
    """
    said = " ".join(str(error).split())
    texts: list[str] = []
    keys: set[str] = set()
    if directory is not None:
        said = said.replace(str(directory), "the model's directory")
        read = [(path, text) for path in _jsons(directory) if (text := _text(path)) is not None]
        texts = [text for _, text in read]
        values: dict[str, str] = {}
        for path, text in read:
            if path.stat().st_size <= LARGEST_CONFIG:
                keys |= set(_fields(text))
                values |= dict(_values(text))
        for value in sorted(values, key=len, reverse=True):
            said = said.replace(value, f"<{values[value]}>")

    def masked(found: re.Match[str]) -> str:
        inner = next(group for group in found.groups() if group is not None)
        stays = inner in keys or (texts and not any(inner in text for text in texts))
        return found[0] if stays or inner.startswith("<") else found[0][0] + LEFT_OUT + found[0][-1]

    said = QUOTED.sub(masked, said)
    return _cut(said) or type(error).__name__


def _cut(said: str) -> str:
    return said if len(said) <= LENGTH else said[:LENGTH] + LEFT_OUT


def _jsons(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*.json") if path.is_file())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        # Then no library has read a text in it either.
        return None


def _fields(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Every string but those of `NAMED`, with the field of the first level that holds it."""
    for field, value in _fields(text).items():
        if field not in NAMED:
            yield from ((one, field) for one in _strings(value) if len(one) >= SHORTEST)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, one in value.items():
                yield key
                yield from _strings(one)
        case list():
            for one in value:
                yield from _strings(one)


def in_log(error: BaseException) -> str:
    """An error as a runner's log tells it: our own with its words, any other as in `of_rows`.

    What is wrong with a dataset is in the reason on the same line, without what its files' names
    may hold.
    """
    if type(error).__name__ in {
        "DatasetError",
        "MissingColumnError",
        "DamagedError",
        "SourceError",
    }:
        return type(error).__name__
    if type(error).__module__.partition(".")[0] in ("service", "workers"):
        return f"{type(error).__name__}: {error}"
    return of_rows(error)
