"""The front matter of a model card: what is kept of one that a model was registered with.

A card is free text, and tools write rows of the training data into it. So a key is kept if it is
known, and a value if it has the form that such a key has: an identifier, and no sentence.
"""

import re
from pathlib import Path
from typing import Any

import yaml

FENCE = "---"
# Of a card that is longer, the front matter is looked for in so many characters.
LONGEST = 2**17
MANY = 100
WORD = re.compile(r"[\w.:+/-]{1,96}")
HUB_ID = re.compile(r"(?=.{1,96}$)(\w[\w.-]*/)?\w([\w.-]*\w)?")
LINK = re.compile(r"https?://[\w./%:#?=&+-]{1,200}|(LICEN[SC]E|NOTICE|COPYING)(\.(txt|md))?")
LANGUAGE = re.compile(r"[A-Za-z]{2,12}([-_][A-Za-z0-9]{1,8}){0,3}")
FORMS = {
    "license": WORD,
    "license_name": WORD,
    "license_link": LINK,
    "language": LANGUAGE,
    "tags": WORD,
    "pipeline_tag": WORD,
    "library_name": WORD,
    "datasets": HUB_ID,
    "metrics": WORD,
    "base_model": HUB_ID,
    "base_model_relation": re.compile(r"adapter|finetune|merge|quantized"),
}
# What may quote rows, and is told of by name where it was left out.
QUOTING = ("model-index", "widget")


def read_front(card: Path) -> dict[str, Any]:
    """What is kept of the front matter of a card; empty if there is no card, or no front matter."""
    said, kept = _loaded(card), dict[str, Any]()
    for key, form in FORMS.items():
        value = said.get(key)
        values = value[:MANY] if isinstance(value, list) else [value]
        # YAML 1.1 takes the language Norwegian for a false.
        values = ["no" if key == "language" and one is False else one for one in values]
        fitting = [one for one in values if isinstance(one, str) and fits(key, form, one)]
        if fitting:
            kept[key] = fitting if isinstance(value, list) or key == "tags" else fitting[0]
    if "base_model" not in kept:
        kept.pop("base_model_relation", None)
    return kept


def left_out(card: Path) -> list[str]:
    """The keys of the front matter that may quote rows, in words of ours."""
    said = _loaded(card)
    return [key for key in QUOTING if key in said]


def written(front: dict[str, Any]) -> str:
    """A front matter as it stands at the head of a card."""
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return f"{FENCE}\n{text}{FENCE}\n"


def with_tags(front: dict[str, Any], *ours: str) -> dict[str, Any]:
    """The same with our tags behind those that are there."""
    there = [tag for tag in front.get("tags", []) if tag not in ours]
    return front | {"tags": [*there, *ours]}


def fits(key: str, form: re.Pattern[str], value: str) -> bool:
    """Whether a value has the form of its key. Names on the hub have neither -- nor .. in them."""
    odd = form is HUB_ID and ("--" in value or ".." in value or value.endswith(".git"))
    relation = key == "tags" and value.startswith("base_model:")
    return form.fullmatch(value) is not None and not odd and not relation


def _loaded(card: Path) -> dict[str, Any]:
    if not card.is_file():
        return {}
    with card.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(LONGEST)
    found = re.match(r"---[ \t]*\n(.*?)^---[ \t]*$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return {}
    try:
        said = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, RecursionError, ValueError):
        # What cannot be read is not kept: the card says that nothing else is.
        return {}
    return said if isinstance(said, dict) else {}
