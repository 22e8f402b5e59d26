"""Distillation of a fine-tuned network begins with the weights that its fine-tuning began with."""

import copy
from collections.abc import Callable
from dataclasses import replace
from statistics import mean

import pytest
import torch
from torch import Tensor, nn

from tests.workers.memorised import Digits, Watched, same, samples, state, trained
from workers.unlearning.base import Problem, Unlearned
from workers.unlearning.registry import get_method
from workers.zoo import digits_cnn

FEW = {"min_steps": 40, "passes": 1.0, "max_passes": 1.0}


def run(problem: Problem) -> Unlearned:
    return get_method("distil").unlearn(problem, lambda _progress: None)


@pytest.fixture(scope="module")
def base(digits: Digits) -> nn.Module:
    """A network that was trained on other digits: half of those that the dataset does not have."""
    with torch.no_grad():
        labels = digits.parent(digits.holdout[:400]).argmax(dim=1)
    return trained(digits.holdout[:400], labels, 40, torch.Generator().manual_seed(3))


def beginning(base: nn.Module) -> Callable[[], nn.Module]:
    """A builder as of a model with a base: a head that begins anew."""

    def fresh() -> nn.Module:
        network, new = copy.deepcopy(base), digits_cnn()
        network.load_state_dict(new.state_dict() | without_head(base))
        return network.train()

    return fresh


def without_head(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.state_dict().items() if "head" not in name}


def agreed(digits: Digits, unlearned: Unlearned) -> float:
    """On digits that neither the base nor the dataset has."""
    unseen = digits.holdout[400:]
    with torch.no_grad():
        asked = (network(unseen).argmax(dim=1) for network in (digits.parent, unlearned.model))
    before, after = asked
    return float((before == after).double().mean())


def test_a_base_keeps_more_of_what_the_parent_says_in_as_many_steps(
    digits: Digits, base: nn.Module
) -> None:
    # A small dataset, as those are for which a network is fine-tuned, and steps enough for either
    # student to know it.
    few = FEW | {"min_steps": 100}
    problem = digits.problem(parameters=few, remaining=samples(digits.remaining[:70]))

    ahead = []
    for seed in (0, 3, 7):
        drawn = replace(problem, seed=seed)
        fresh = run(drawn)
        warm = run(replace(drawn, fresh=beginning(base), warm=True))
        ahead.append(agreed(digits, warm) - agreed(digits, fresh))

    assert mean(ahead) > 0.05
    with torch.no_grad():
        after = warm.model(digits.forgotten).argmax(dim=1)
    assert (after == digits.given).float().mean() <= 0.1
    assert (fresh.summary["began_with"], warm.summary["began_with"]) == ("fresh weights", "base")


def test_a_step_size_that_would_destroy_a_base_is_not_taken(
    digits: Digits, base: nn.Module
) -> None:
    parameters = FEW | {"base_learning_rate": 0.5}
    problem = digits.problem(parameters=parameters, fresh=beginning(base), warm=True)

    unlearned = run(problem)

    assert unlearned.summary["learning_rate"] <= 0.5 / 4**2
    assert agreed(digits, unlearned) > 0.9


def test_a_base_that_knows_the_answers_already_is_no_failure(digits: Digits) -> None:
    def knowing() -> nn.Module:
        return copy.deepcopy(digits.parent).train()

    unlearned = run(digits.problem(parameters=FEW, fresh=knowing, warm=True))

    assert unlearned.summary["agreement"] > 0.97


def test_two_runs_give_the_same_bytes(digits: Digits, base: nn.Module) -> None:
    problem = digits.problem(parameters=FEW, fresh=beginning(base), warm=True)

    assert same(state(run(problem).model), state(run(problem).model))


def test_no_trial_reads_a_forgotten_sample(digits: Digits, base: nn.Module) -> None:
    forgotten = Watched(digits.forgotten)

    run(digits.problem(forgotten=forgotten, parameters=FEW, fresh=beginning(base), warm=True))

    # Once, for the parent's answers: the classes' shares follow from them.
    assert forgotten.read == [len(digits.forgotten)]
