"""Texts of any length before a tokenizer, which reads all of each and keeps much of every token."""

from collections.abc import Iterator, Sequence
from typing import Any

from workers.data.errors import DatasetError

# What is tokenised at one time: some 150 MB of tokens.
CHARACTERS_AT_ONCE = 2**22
# Of a longer text only one end is tokenised, as much as any limit leaves of it.
LONGEST = 2**20
CHARACTERS_A_TOKEN = 16


def token_ids(tokenizer: Any, texts: Sequence[str], limit: int) -> list[list[int]]:
    """The tokens of each text, cut off at the limit.

    Raises:
        DatasetError: the tokenizer marks a single text with several token types, or a text is
            long and comes to few tokens.
    """
    rows: list[list[int]] = []
    for group in groups([shortened(text, limit, tokenizer.truncation_side) for text in texts]):
        made = tokenizer(group, truncation=True, max_length=limit, padding=False)
        if any(any(types) for types in made.get("token_type_ids", [])):
            raise DatasetError("The model's tokenizer gives a text several token types.")
        for kept, tokens in zip(group, made["input_ids"], strict=True):
            refuse_strange(texts[len(rows)], kept, len(tokens), limit)
            rows.append(tokens)
    return rows


def refuse_long(pairs: Sequence[str]) -> None:
    """Raises `DatasetError`: a side of a pair is longer than is tokenised; see `token_ids`."""
    if max(map(len, pairs), default=0) > LONGEST:
        raise DatasetError(f"A text of a pair has more than {LONGEST} characters: split it.")


def shortened(text: str, limit: int, side: str) -> str:
    """The end of a text that is left when it is cut to `limit` tokens, and more; `side` is cut."""
    most = max(LONGEST, CHARACTERS_A_TOKEN * limit)
    if len(text) <= most:
        return text
    return text[-most:] if side == "left" else text[:most]


def refuse_strange(text: str, kept: str, tokens: int, limit: int) -> None:
    """Raises `DatasetError`: what was cut off could be among the first `limit` tokens."""
    if len(kept) < len(text) and tokens < limit:
        raise DatasetError(
            f"A text of {len(text)} characters comes to {tokens} tokens in {len(kept)} of them, "
            f"where {limit} are read: split it."
        )


def groups(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, so many together as are tokenised at one time."""
    group: list[str] = []
    characters = 0
    for text in texts:
        if group and characters + len(text) > CHARACTERS_AT_ONCE:
            yield group
            group, characters = [], 0
        group.append(text)
        characters += len(text)
    if group:
        yield group
