"""What sentence-transformers does to a text before the tokenizer sees it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.data.errors import DatasetError
from workers.quoting import name_in, of_files

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
# The first of these that is there, as the library looks for them.
TRANSFORMER = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# What these change in a network's inputs is not done here, so they must say nothing.
UNKNOWN = ("processing_kwargs", "query_expansion", "query_length", "document_length")


@dataclass(frozen=True)
class SentenceSettings:
    """prompt: what stands before every text. longest: tokens of a text, or None if it says none."""

    prompt: str = ""
    lower: bool = False
    longest: int | None = None


def read_settings(directory: Path) -> SentenceSettings:
    """What `encode` does where nobody names a prompt; nothing if there is no `modules.json`.

    Raises:
        DatasetError: a file cannot be read, or asks for what is not done here.
    """
    if not (directory / MODULES).is_file():
        return SentenceSettings()
    said = read_object(directory / SETTINGS)
    chosen, prompts = said.get("default_prompt_name"), said.get("prompts") or {}
    prompt = prompts.get(chosen) if isinstance(prompts, dict) and chosen is not None else ""
    if chosen is not None and not isinstance(prompt, str):
        raise DatasetError(
            f"{SETTINGS} names the default prompt {name_in(chosen)}, which is not a text of its "
            "prompts."
        )
    if said.get("truncate_dim") is not None:
        # What is cut off would be neither unlearned nor audited, and is served to who asks for it.
        raise DatasetError(
            f"{SETTINGS} sets truncate_dim, by which vectors are cut. Whole vectors are unlearned "
            "and audited: take it out of the file, and name it where the model is loaded."
        )
    there = next((name for name in TRANSFORMER if (directory / name).is_file()), TRANSFORMER[0])
    given = read_object(directory / there)
    asked = [name for name in UNKNOWN if given.get(name)]
    if asked:
        raise DatasetError(f"{there} sets {', '.join(asked)}, which unlearnd does not follow.")
    longest = given.get("max_seq_length")
    return SentenceSettings(
        prompt or "",
        given.get("do_lower_case") is True,
        longest if isinstance(longest, int) and longest > 0 else None,
    )


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, empty if there is no such file.

    Raises:
        DatasetError: it is not one.
    """
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path.name} is not JSON that can be read: {of_files(error)}"
        ) from error
    if not isinstance(said, dict):
        raise DatasetError(f"{path.name} is no JSON object.")
    return said
