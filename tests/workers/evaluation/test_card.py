"""The card shows what the audit measured, and what it could not."""

import copy
from pathlib import Path

import torch

from tests.workers.evaluation.test_audit import measure, network, rows
from workers import model_card


def test_the_card_has_a_line_for_each_check() -> None:
    report = measure(copy.deepcopy(network()), rows(40, 2), rows(200, 4))
    table = model_card.table(report.to_dict())
    for words in (
        "membership AUC by margin, 95 % interval | 0.",
        "membership AUC by margin, within kinds; 0.",
        "contradicted by neighbours, within kinds; at most +0.",
        "forgotten samples that stand out",
        "representations are alike",
        "after training on remaining samples",
        "barrier between the two, in nats, 95 % interval | 0 | 0 (0 to 0) |",
        "agreement with the parent, 95 % interval: holdout, 200 of 200 samples | 1 | 1 (0.9812 to",
        "noticed four times in five",
    ):
        assert words in table
    assert all(line.count("|") == 4 for line in table.splitlines())


def test_what_was_not_measured_has_its_reason() -> None:
    table = model_card.table(measure(network(), rows(40, 2), None).to_dict())
    assert "| rebound | not measured | There is no held-out set. |" in table


def test_the_card_of_a_version_claims_no_erasure(tmp_path: Path) -> None:
    torch.manual_seed(0)
    audit = measure(copy.deepcopy(network()), rows(40, 2), rows(200, 4)).to_dict()
    card = model_card.of_version(
        {
            "model": "digits",
            "tv": 3,
            "parent": {"version": 1, "digest": "abc"},
            "method": {"name": "redirect", "summary": {"held_to": "origin"}},
            "architecture": {"kind": "module"},
            "fresh_weights": "random",
            "edit_of": {"version": 7, "digest": "abd"},
            "forgotten": {"count": 40},
            "inputs": [{"kind": "array", "column": "pixels", "shape": [1, 8, 8], "scale": None}],
            "representation": {"module": "embed", "side": "output"},
            "audit": audit | {"target_level": "membership"},
            "gate": {"rule": "disputes", "min_agreement": 0.97},
        },
        tmp_path / "no-card.md",
    )
    assert f"Audit level: **{audit['level']}**" in card
    assert "judged by similar remaining samples" in card
    assert "does not say that the samples are erased" in card
    assert "held to version 7" in card
