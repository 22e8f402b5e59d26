"""Each family is registered, unlearned, audited, published, and loads as its parent did."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from tests.workers.pretrained.data import TRAINED
from tests.workers.pretrained.parents import FORGET, Parent, Registered, runs_below
from tests.workers.pretrained.training import part
from workers.architectures.pretrained import Pretrained
from workers.plan import Origin
from workers.runner.readback import answers
from workers.statistics.floors import Floors
from workers.unlearning.tap import find_tap

UNSEEN_FLOOR = Floors(0.8, len(FORGET), TRAINED - len(FORGET)).on_holdout


def test_it_is_registered_unlearned_and_loads_as_its_parent_did(
    parent: Parent, registered: Registered
) -> None:
    first, second = registered.folder / "first", registered.folder / "second"
    check_what_is_told(parent, first, second)
    assert registered.second.passed, registered.second.reasons
    assert registered.second.audit["level"] in ("utility", "membership", "robust")
    check_files(parent, second)
    published = parent.family.auto.from_pretrained(second)
    assert type(published) is type(parent.network)
    check_that_it_changed_little_elsewhere(parent, published)
    if parent.family.misled:
        check_that_what_was_learnt_by_heart_is_gone(parent, published)


def check_what_is_told(parent: Parent, first: Path, second: Path) -> None:
    told = json.loads((first / "unlearning.json").read_text(encoding="utf-8"))
    assert told["architecture"]["kind"] == "transformers"
    assert told["architecture"]["class"] == type(parent.network).__name__
    assert told["representation"]["width"] == parent.family.width
    assert told["classes"] == parent.family.logits
    later = json.loads((second / "unlearning.json").read_text(encoding="utf-8"))
    if parent.family.logits is None:
        assert later["architecture"]["prototypes"] == 16
        kept = later["representation"]["kept"]
        for name in ("remaining", "holdout"):
            assert 0.9 < kept[f"{name}_low"] <= kept[name] <= kept[f"{name}_high"] <= 1
        card = (second / "README.md").read_text(encoding="utf-8")
        assert "representation, 95 % interval: holdout" in card
    assert later["forgotten"]["count"] == len(FORGET)


def check_files(parent: Parent, published: Path) -> None:
    """The same files, and tensors of the same names, shapes and types; nothing of a prototype."""
    ours = {"README.md", "unlearning.json", "manifest.json"}
    there = {path.name for path in published.iterdir()}
    assert there == {path.name for path in parent.directory.iterdir()} | ours
    before = load_file(parent.directory / "model.safetensors")
    after = load_file(published / "model.safetensors")
    assert describe(before) == describe(after)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def describe(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def check_that_it_changed_little_elsewhere(parent: Parent, published: Any) -> None:
    """Measured on held-out samples, which no run trains on."""
    with torch.no_grad():
        before, after = (network(**parent.held_out) for network in (parent.network, published))
    if parent.family.logits is not None:
        alike = (before.logits.argmax(1) == after.logits.argmax(1)).double().mean()
        # Without wrong labels it may rightly say something else, by the gate's floor.
        assert alike > 0.8 or (parent.family.misled and alike >= UNSEEN_FLOOR)
        return
    for name in before:
        if name.endswith("_embeds"):
            assert functional.cosine_similarity(before[name], after[name]).mean() > 0.95
    if "last_hidden_state" in before:
        states = before.last_hidden_state.mean(1), after.last_hidden_state.mean(1)
        assert functional.cosine_similarity(*states).mean() > 0.95


@pytest.mark.parametrize("parent", ["bert", "clip"], indirect=True)
def test_a_method_is_chosen_by_itself(
    parent: Parent, registered: Registered, tmp_path: Path
) -> None:
    """Nobody sets a parameter, and the version says which method it was."""
    with runs_below(registered.folder) as runs:
        made = runs.unlearned(
            parent, registered.first, tmp_path / "chosen", method="auto", parameters={}
        )

    assert made.passed, made.reasons
    told = json.loads((tmp_path / "chosen" / "unlearning.json").read_text(encoding="utf-8"))
    assert told["method"]["name"] in ("redirect", "laf")
    assert told["method"]["summary"]["auto"]["kept"]
    published = parent.family.auto.from_pretrained(tmp_path / "chosen")
    check_that_it_changed_little_elsewhere(parent, published)
    if parent.family.misled:
        check_that_what_was_learnt_by_heart_is_gone(parent, published)


@pytest.mark.parametrize("parent", ["image encoder"], indirect=True)
def test_an_encoder_whose_representations_moved_has_no_level(
    parent: Parent, registered: Registered, tmp_path: Path
) -> None:
    """Its decisions between prototypes may be kept all the same."""
    with runs_below(registered.folder) as runs:
        made = runs.unlearned(parent, registered.first, tmp_path / "moved", min_agreement=0.99999)

    assert not made.passed
    assert any("mean cosine" in reason for reason in made.reasons)
    assert made.audit["level"] == "none"
    assert made.audit["statement"].startswith("Representations of data that were not forgotten")


def check_that_what_was_learnt_by_heart_is_gone(parent: Parent, published: Any) -> None:
    """Of the wrong labels, a third at least are said no more, and true ones are said instead."""
    forgotten = part(parent.trained, torch.from_numpy(FORGET))
    taught, true = (classes[FORGET] for classes in (parent.taught, parent.true))
    with torch.no_grad():
        before, after = (
            network(**forgotten).logits.argmax(1) for network in (parent.network, published)
        )

    def share(decided: Tensor, classes: Tensor) -> float:
        return float((decided == classes).double().mean())

    assert share(before, taught) >= 0.3
    assert share(after, taught) <= share(before, taught) * 2 / 3
    assert share(after, true) >= share(before, true) + 0.1


def test_padding_changes_no_representation(parent: Parent) -> None:
    """Each of a few samples alone and without padding is seen as it is within a padded batch."""
    model = Pretrained(parent.directory).load(parent.directory)
    batch = part(parent.trained, some_that_are_padded(parent.trained))
    tap = find_tap(model, batch)
    together, _ = answers(model, tap, batch)

    for row in range(6):
        alone, _ = answers(model, tap, trimmed(part(batch, torch.tensor([row]))))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-3, atol=1e-4)


def some_that_are_padded(inputs: dict[str, Tensor]) -> Tensor:
    """Six rows (6,): where there is a mask, the three shortest and the three longest."""
    if "attention_mask" not in inputs:
        return torch.arange(6)
    lengths = inputs["attention_mask"].sum(dim=1)
    order = lengths.argsort(stable=True)
    assert lengths[order[0]] < lengths[order[-1]]
    return torch.cat([order[:3], order[-3:]])


def trimmed(single: dict[str, Tensor]) -> dict[str, Tensor]:
    """One sample without what pads it."""
    if "attention_mask" not in single:
        return single
    length = int(single["attention_mask"].sum())
    padded = single["attention_mask"].shape[1]
    return {
        name: tensor[:, :length] if tensor.shape[1:2] == (padded,) and tensor.ndim == 2 else tensor
        for name, tensor in single.items()
    }


def test_the_representation_is_what_the_head_reads(parent: Parent) -> None:
    """For a classifier, its own last layer on top gives the logits; for CLIP, both towers."""
    model = Pretrained(parent.directory).load(parent.directory)
    batch = part(parent.trained, torch.arange(4))
    tap = find_tap(model, batch)
    representation, logits = answers(model, tap, batch)

    assert representation.shape == (4, parent.family.width)
    if parent.family.logits is None:
        assert tap.module == "embedding"
        torch.testing.assert_close(logits, representation)
    else:
        head = model.get_submodule(tap.module)
        torch.testing.assert_close(head(representation), logits)
    with torch.no_grad():
        answer = parent.network(**batch)
    if "text_embeds" in answer:
        towers = torch.cat([answer.image_embeds, answer.text_embeds], dim=1)
        torch.testing.assert_close(representation, towers)


FRESH: dict[str, Any] = {
    "method": "distil",
    "parameters": {"passes": 1.0, "max_passes": 1.0, "min_steps": 40},
}


@pytest.mark.parametrize("parent", ["clip"], indirect=True)
def test_the_same_problem_gives_the_same_bytes(
    parent: Parent, registered: Registered, tmp_path: Path
) -> None:
    """Prototypes are drawn alike, and training depends on no other chance."""
    with runs_below(registered.folder) as runs:
        torch.manual_seed(1)
        again = runs.unlearned(parent, registered.first, tmp_path / "again")

    assert again.written.digest == registered.second.written.digest


@pytest.mark.parametrize("parent", ["resnet"], indirect=True)
def test_fresh_weights_are_drawn_alike(
    parent: Parent, registered: Registered, tmp_path: Path
) -> None:
    digests = []
    with runs_below(registered.folder) as runs:
        for number in range(2):
            torch.manual_seed(number)
            made = runs.unlearned(parent, registered.first, tmp_path / f"{number}", **FRESH)
            digests.append(made.written.digest)

    assert digests[0] == digests[1]


@pytest.mark.parametrize("parent", ["image encoder"], indirect=True)
def test_an_origin_decides_by_the_same_prototypes(
    parent: Parent, registered: Registered, tmp_path: Path
) -> None:
    """So an edit that is held to its own parent comes to the same weights."""
    plain, first = registered.folder / "second", registered.first
    origin = Origin(version=1, digest=first.written.digest, directory=registered.folder / "first")

    with runs_below(registered.folder) as runs:
        runs.unlearned(parent, first, tmp_path / "held", origin=origin)

    told = json.loads((tmp_path / "held" / "unlearning.json").read_text(encoding="utf-8"))
    assert told["method"]["summary"]["held_to"] == "origin"
    before, after = (load_file(at / "model.safetensors") for at in (plain, tmp_path / "held"))
    assert all(torch.equal(before[name], after[name]) for name in before)
