"""The front matter of a card travels, and nothing of it that may quote a row."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.utils._validators import validate_repo_id

from workers import model_card
from workers.card_front import read_front

DATA = Path(__file__).parents[1] / "data"
REAL = {
    "sentence-transformers": DATA / "sentence-transformers" / "trained" / "README.md",
    "setfit": DATA / "setfit" / "trained" / "README.md",
    "peft": DATA / "peft" / "adapter" / "README.md",
    "transformers": DATA / "transformers" / "card.md",
}
INPUTS = [{"kind": "text", "column": "text"}]


def imported(card: Path) -> str:
    return model_card.of_import("reviews", 0, INPUTS, "transformers", card)


def front_of(text: str) -> dict[str, Any]:
    """The front matter as the hub's own library reads it."""
    data: Any = ModelCard(text, ignore_metadata_errors=False).data
    front: dict[str, Any] = data.to_dict()
    return front


def card_with(tmp_path: Path, front: str) -> Path:
    card = tmp_path / "README.md"
    card.write_text(f"---\n{front}\n---\n\n# A model\n", encoding="utf-8")
    return card


@pytest.mark.parametrize("card", REAL.values(), ids=REAL)
def test_of_a_card_that_a_tool_wrote_only_its_front_matter_is_shown(card: Path) -> None:
    text = imported(card)

    front = front_of(text)
    theirs = front_of(card.read_text("utf-8"))
    assert front["library_name"] == theirs["library_name"]
    assert front.get("pipeline_tag") == theirs.get("pipeline_tag")
    assert "generated_from_trainer" in front["tags"] or card != REAL["transformers"]
    assert "widget" not in front
    assert "model-index" not in front
    for name in named_bases(front):
        validate_repo_id(name)
    assert "marked" not in text.lower()
    assert "its text is left out" in text
    assert ("its `widget`" in text) is ("widget" in theirs)


def named_bases(front: dict[str, Any]) -> list[str]:
    named = front.get("base_model", [])
    return named if isinstance(named, list) else [named]


def test_what_a_hub_reads_of_a_front_matter_goes_from_version_to_version(tmp_path: Path) -> None:
    card = card_with(
        tmp_path,
        """license: [apache-2.0, mit]
license_link: LICENSE
language: [en, no, zh-Hant]
base_model: [google-bert/bert-base-uncased, ./runs/last, out/of/three, 'a--b', bert-base]
base_model_relation: finetune
datasets: [stanfordnlp/sst2]
pipeline_tag: text-classification
library_name: sentence-transformers
metrics: [accuracy]
tags: [toxicity, 'a row of the data', 'base_model:adapter:x', unlearnd]""",
    )
    first = tmp_path / "first.md"
    first.write_text(imported(card), encoding="utf-8")

    kept = front_of(first.read_text("utf-8"))
    assert kept == {
        "license": ["apache-2.0", "mit"],
        "license_link": "LICENSE",
        "language": ["en", "no", "zh-Hant"],
        "base_model": ["google-bert/bert-base-uncased", "bert-base"],
        "base_model_relation": "finetune",
        "datasets": ["stanfordnlp/sst2"],
        "pipeline_tag": "text-classification",
        "library_name": "sentence-transformers",
        "metrics": ["accuracy"],
        "tags": ["toxicity", "unlearnd"],
    }
    assert read_front(first) == kept


@pytest.mark.parametrize(
    "front",
    [
        "[" * 5_000,
        "license: !!python/object/apply:os.system ['exit 3']",
        "- a\n- list",
        "license: [mit",
        "\x00",
        "license: {a: b}\nlanguage: 7\ntags: {widget: text}\nbase_model: ''",
        "license: mit and then a sentence about Jane\ndatasets: Jane Doe said so",
    ],
    ids=["deep", "object", "list", "broken", "not text", "other types", "sentences"],
)
def test_a_front_matter_that_is_none_leaves_ours_alone(tmp_path: Path, front: str) -> None:
    text = imported(card_with(tmp_path, front))

    assert front_of(text) == {"library_name": "transformers", "tags": ["unlearnd"]}
    assert "Jane" not in text


def test_aliases_of_aliases_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    card = card_with(tmp_path, "\n".join([*lines, "tags: *a29", "license: mit"]))

    assert read_front(card) == {"license": "mit"}


def test_a_card_that_is_not_utf_8_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_bytes(b"---\r\nlicense: mit\r\n---\r\n\xff\xfe")

    assert read_front(card) == {"license": "mit"}


def test_without_a_card_nothing_is_said_of_one(tmp_path: Path) -> None:
    assert "left out" not in imported(tmp_path / "README.md")
