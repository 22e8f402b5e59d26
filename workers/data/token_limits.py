"""How many tokens a text may have."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.data.errors import UnknownTokenError

# For a tokenizer that has no limit, or one that no network has.
MAX_TOKENS = 512
NO_LIMIT = 2**20
# Networks whose first position is that after the padding token's number.
COUNTED_FROM_PADDING = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "lilt",
    "longformer",
    "luke",
    "markuplm",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
# How configurations call the number of positions.
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")


def text_config(directory: Path) -> dict[str, Any]:
    """What the configuration says of the part that reads texts."""
    config = directory / "config.json"
    given = json.loads(config.read_text("utf-8")) if config.is_file() else {}
    text: dict[str, Any] = given.get("text_config", given)
    return {"model_type": given.get("model_type")} | text


def token_limit(tokenizer: Any, text: dict[str, Any], longest: int | None = None) -> int:
    """The tokens that both the tokenizer and the network's positions allow.

    `longest` is what sentence-transformers sets in the tokenizer's place.
    """
    named = tokenizer.model_max_length if longest is None else longest
    limit = int(named) if named < NO_LIMIT else MAX_TOKENS
    positions = next((text[name] for name in POSITIONS if name in text), None)
    if not isinstance(positions, int) or positions < 1:
        return limit
    padding = text.get("pad_token_id")
    if text.get("model_type") in COUNTED_FROM_PADDING and isinstance(padding, int):
        positions -= padding + 1
    return min(limit, positions)


def known_tokens(tokenizer: Any, rows: Sequence[list[int]], known: object) -> Sequence[list[int]]:
    """The tokens of each text, if the network has an embedding for each, and for padding.

    `known` is how many embeddings its configuration tells; anything but a number tells nothing.

    Raises:
        UnknownTokenError: a token is beyond them.
    """
    if not isinstance(known, int) or known < 1:
        return rows
    highest = max((max(row, default=0) for row in rows), default=0)
    if max(highest, tokenizer.pad_token_id) >= known:
        raise UnknownTokenError(
            "The model's tokenizer makes a token that its network does not know, which knows "
            f"{known} by vocab_size in config.json: save the tokenizer with which it was trained, "
            "or train the network after resize_token_embeddings(len(tokenizer))."
        )
    return rows
