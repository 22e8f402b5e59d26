"""Published methods in the benchmark do what their papers say, and are held to agreement."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from bench.unlearning.rivals import known, named
from bench.unlearning.rivals.dampening import dampened, importance
from bench.unlearning.rivals.guard import Guard
from bench.unlearning.rivals.uncertainty import confidence, noised
from tests.workers.memorised import Digits
from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.registry import names


@pytest.fixture
def problem(memorised_digits: Digits) -> Problem:
    return memorised_digits.problem()


def test_they_stand_beside_ours_and_are_not_in_the_product() -> None:
    assert set(known()) - set(names()) == {"dampening", "uncertainty"}
    assert named("distil").name == "distil"


def test_importance_is_the_mean_of_absolute_gradients_of_the_squared_norm(
    problem: Problem,
) -> None:
    rows = torch.tensor([3, 5])

    found = importance(problem, problem.remaining, rows)

    weight = problem.model.get_parameter("head.1.bias")
    wanted = torch.zeros_like(weight)
    for row in rows:
        # Of ||f||^2 by the last bias it is 2 f.
        wanted += 2 * problem.model(problem.remaining.batch(row.reshape(1)))[0].detach().abs()
    assert torch.allclose(found[-1], wanted / 2, rtol=1e-4)


def test_only_the_share_of_weights_with_the_largest_ratios_shrinks(problem: Problem) -> None:
    generator = torch.Generator().manual_seed(0)
    ratios = [torch.rand(w.shape, generator=generator) * 4 for w in problem.model.parameters()]

    model = dampened(problem.model, ratios, 0.1, 1.0)

    before, after, ratio = (
        torch.cat([part.detach().flatten() for part in parts])
        for parts in (problem.model.parameters(), model.parameters(), ratios)
    )
    changed = after != before
    assert changed.sum() == round(0.1 * len(ratio))
    assert ratio[changed].min() > ratio[~changed].max() > 1
    assert torch.allclose(after[changed], before[changed] / ratio[changed])


def test_less_is_dampened_until_agreement_is_kept(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, False, True, True])
    monkeypatch.setattr(Guard, "kept", lambda _self, _model: next(answers))
    few = replace(problem, parameters={"samples": 10})

    made = named("dampening").unlearn(few, lambda _progress: None)

    whole = math.log1p(100 * 40 / (40 + len(problem.remaining))) / 100
    assert made.summary == {"share": whole / 4, "halved": 2, "agreement_kept": True}


def test_what_does_not_agree_is_not_kept(problem: Problem) -> None:
    broken = copy.deepcopy(problem.model)
    torch.nn.init.zeros_(broken.get_parameter("head.1.weight"))

    guard = Guard(problem)

    assert guard.kept(problem.model)
    assert not guard.kept(broken)


def test_noise_follows_the_answers_and_is_hotter_where_they_are_too_sure() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0]]).repeat(20_000, 1)

    cool, hot = (
        noised(logits, temperature, torch.Generator().manual_seed(1)) for temperature in (1.0, 3.0)
    )

    shares = cool.argmax(dim=1).bincount(minlength=3) / len(cool)
    assert torch.allclose(shares, logits[0].softmax(dim=0), atol=0.01)
    assert hot.amax(dim=1).mean() < cool.amax(dim=1).mean() - 0.1


def test_it_ends_when_the_forgotten_are_less_sure_than_unseen_ones(problem: Problem) -> None:
    fast = replace(problem, parameters={"learning_rate": 1e-3})

    made = named("uncertainty").unlearn(fast, lambda _progress: None)

    assert problem.holdout is not None
    everything = [s.batch(torch.arange(len(s))) for s in (problem.forgotten, problem.holdout)]
    with torch.no_grad():
        before, unseen = (confidence(problem.model(inputs)) for inputs in everything)
        after = confidence(made.model(everything[0]))
    assert before > unseen
    assert after < before
    assert made.summary["passes"] < 10
    assert made.summary["agreement_kept"]


def test_without_held_out_samples_there_is_nothing_to_be_like(problem: Problem) -> None:
    with pytest.raises(UnlearningError, match="held-out"):
        named("uncertainty").unlearn(replace(problem, holdout=None), lambda _progress: None)
