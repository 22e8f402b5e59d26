import copy

import pytest
import torch
from torch import Tensor, nn

from workers.evaluation.report import WeightReport
from workers.evaluation.weights import weights

INPUTS = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))


def ask(model: nn.Module) -> Tensor:
    with torch.no_grad():
        answers: Tensor = model(INPUTS)
    return answers


def network(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 4))


def moved(parent: nn.Module, candidate: nn.Module) -> WeightReport:
    return weights(parent, candidate, network(1), ask, resamples=200, seed=0)


def test_a_copy_is_at_no_distance() -> None:
    found = moved(network(0), network(0))
    assert (found.distance, found.barrier, found.midpoint_agreement) == (0.0, 0.0, 1.0)
    assert (found.barrier_low, found.barrier_high) == (0.0, 0.0)
    assert found.fresh_distance > 0.5


def test_distances_are_relative_and_by_module() -> None:
    """All weights of the first layer times 1.1: a tenth of its norm, and less of the whole."""
    parent, candidate = network(0), network(0)
    with torch.no_grad():
        for tensor in candidate[0].parameters():
            tensor.mul_(1.1)
    found = moved(parent, candidate)
    assert found.by_module == pytest.approx({"0": 0.1, "2": 0.0}, abs=1e-6)
    first, whole = (
        sum(float(tensor.detach().square().sum()) for tensor in module.parameters())
        for module in (parent[0], parent)
    )
    assert found.distance == pytest.approx(0.1 * (first / whole) ** 0.5, abs=1e-6)


def test_hidden_units_in_another_order_are_behind_a_barrier() -> None:
    """The same function from permuted and mirrored units: half-way, they cancel each other out."""
    parent = network(0)
    with torch.no_grad():
        parent.get_parameter("2.weight").mul_(8.0)
    mirrored = copy.deepcopy(parent)
    with torch.no_grad():
        for name in ("0.weight", "0.bias", "2.weight"):
            mirrored.get_parameter(name).neg_()
    assert torch.allclose(ask(parent), ask(mirrored), atol=1e-5)
    found = moved(parent, mirrored)
    assert found.barrier > 0.5
    assert 0.4 < found.barrier_low < found.barrier < found.barrier_high
    assert found.midpoint_agreement < 0.7
    assert found.midpoint_low < found.midpoint_agreement < found.midpoint_high
