"""A whole class is deleted: its name is no answer any more, and the gate knows that."""

from dataclasses import replace

import pytest
import torch

from tests.workers.memorised import Digits, Tensors, audited, memorised
from workers.evaluation.gate import decide
from workers.evaluation.judge import AuditJudge
from workers.unlearning.base import Problem, Samples, Unlearned
from workers.unlearning.registry import get_method

QUICK = {"min_steps": 400}


@pytest.fixture(scope="module")
def hasty() -> Digits:
    """A network that mistakes some other digits for an 8."""
    return memorised(epochs=4)


@pytest.fixture(scope="module")
def problem(hasty: Digits) -> Problem:
    """All that the network takes for an 8 and half of which it is sure."""
    with torch.no_grad():
        outputs = hasty.parent.eval()(hasty.remaining).softmax(dim=1)
    sure = (outputs.argmax(dim=1) == 8) & (outputs[:, 8] > 0.6)
    return hasty.problem(
        forgotten=Tensors(hasty.remaining[sure]),
        remaining=Tensors(hasty.remaining[~sure]),
        parameters=QUICK,
    )


@pytest.fixture(scope="module")
def unlearned(problem: Problem) -> Unlearned:
    return get_method("distil").unlearn(problem, lambda _progress: None)


def decisions(model: torch.nn.Module, samples: Samples | None) -> torch.Tensor:
    assert isinstance(samples, Tensors)
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(samples.inputs)
    return logits.argmax(dim=1)


def test_the_class_is_no_answer_any_more(problem: Problem, unlearned: Unlearned) -> None:
    assert bool((decisions(problem.model, problem.remaining) == 8).any())
    for samples in (problem.forgotten, problem.remaining, problem.holdout):
        assert not bool((decisions(unlearned.model, samples) == 8).any())
    assert unlearned.summary["agreement_kept"]
    assert unlearned.summary["lessons"] == 1


def test_agreement_is_with_the_answers_that_are_left(
    problem: Problem, unlearned: Unlearned
) -> None:
    """By the gate as by `auto`: were the 8s counted as lost, this would not pass."""
    was, now = (decisions(model, problem.remaining) for model in (problem.model, unlearned.model))
    as_before = float((was == now).double().mean())
    among_left = float((was == now)[was != 8].double().mean())
    floor = (as_before + among_left) / 2

    report = audited(problem, unlearned.model, min_agreement=floor, resamples=20)
    judgement = AuditJudge(replace(problem, min_agreement=floor)).look(unlearned.model)

    assert report.emptied_classes == [8]
    assert as_before < floor <= report.remaining.agreement
    assert report.forgotten.agreement == 0.0
    assert decide(report.utility).passed
    assert judgement.kept
    assert judgement.facts["agreement"] == report.remaining.agreement
