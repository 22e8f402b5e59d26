"""Real data: samples of some classes are deleted, and the held-out ones are of all classes."""

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests.workers.memorised import Digits, Tensors, trained
from workers.evaluation.examination import SINGLE
from workers.evaluation.report import AuditReport

SEEDS, EPOCHS = range(6), 20


@dataclass(frozen=True)
class Removal:
    """40 % of the digits 5 to 9 are deleted; the oracle is trained without them."""

    digits: Digits
    oracle: nn.Module
    holdout: Tensor

    def audits(self, holdout: int) -> AuditReport:
        return self.digits.measure(self.oracle, holdout=Tensors(self.holdout[:holdout]))


@pytest.fixture(scope="module")
def removals() -> list[Removal]:
    return [removal(seed) for seed in SEEDS]


def removal(seed: int) -> Removal:
    data = load_digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.target), generator=generator)
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)[order] / 16.0
    labels = torch.tensor(data.target)[order]
    known, given = images[:1000], labels[:1000]
    gone = (given >= 5) & (torch.rand(1000, generator=generator) < 0.4)
    parent = trained(known, given, EPOCHS, generator)
    oracle = trained(known[~gone], given[~gone], EPOCHS, generator)
    digits = Digits(parent, known[gone], known[~gone], images[1000:], given[gone], given[gone])
    return Removal(digits, oracle, images[1000:])


# 797 samples, four for each forgotten one, and 150, fewer than were forgotten.
@pytest.mark.parametrize("holdout", [797, 150])
def test_a_network_that_never_saw_them_is_not_told(removals: list[Removal], holdout: int) -> None:
    """Of six, one false alarm of each kind is by chance: 1 - 0.95^6 = 0.26 for the bands."""
    told = Counter[str]()
    for one in removals:
        report = one.audits(holdout)
        assert report.membership is not None
        assert report.contradiction is not None
        assert report.per_sample is not None
        assert report.kinds is not None
        assert report.kinds.strata >= 5
        attacks = all(attack.passed for attack in report.membership.values())
        told["populations"] += not (attacks and report.contradiction.passed)
        told[SINGLE] += not report.per_sample.passed
        for found in report.membership.values():
            assert abs(found.within_kinds.after - 0.5) < 0.1
    assert told["populations"] <= 1
    assert told[SINGLE] <= 1


def test_all_against_all_would_tell_classes_from_classes(removals: list[Removal]) -> None:
    """These are less sure of the digits 5 to 9: the plain AUC's interval leaves 0.5 out."""
    reports = [one.audits(797) for one in removals]
    high = [one.membership["confidence"].after.high for one in reports if one.membership]
    assert sum(one < 0.5 for one in high) >= 4
