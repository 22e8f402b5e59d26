"""Each method's card lists its knobs as the code has them."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.guided.config import GuidedConfig
from workers.unlearning.knobs import Knobs, default_of
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.registry import names

CARDS = Path(__file__).parents[3] / "docs" / "methods"
CONFIGS: dict[str, type[Knobs]] = {
    "auto": AutoConfig,
    "distil": DistilConfig,
    "guided": GuidedConfig,
    "laf": LafConfig,
    "redirect": RedirectConfig,
}


def test_every_method_has_a_card() -> None:
    assert sorted(CONFIGS) == names()
    assert {path.stem for path in CARDS.glob("*.md")} == set(names())


@pytest.mark.parametrize("name", CONFIGS)
def test_the_card_lists_every_knob_with_its_default_and_its_sentence(name: str) -> None:
    text = (CARDS / f"{name}.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)

    wanted = [
        (knob.name, default_of(knob), knob.metadata["help"]) for knob in fields(CONFIGS[name])
    ]

    assert [row[0] for row in listed] == [name for name, _, _ in wanted]
    for (_, default, sentence), (_, known, help_text) in zip(listed, wanted, strict=True):
        assert default == str(known)
        assert sentence.startswith(help_text)
