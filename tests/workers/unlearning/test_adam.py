"""Adam as torch's own optimiser has it, and without what that one imports."""

import subprocess
import sys

import torch
from torch import Tensor, nn

from workers.unlearning.adam import Adam

RATES = [0.1, 0.01, 0.1]


def weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(3, 4), (5,), (2, 3, 3, 3)]
    found = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    return [*found[:2], nn.Parameter(found[2].detach().to(memory_format=torch.channels_last))]


def put_gradients(some: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in some:
        weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape, generator=generator))


def test_it_takes_the_steps_that_torchs_optimiser_takes() -> None:
    mine, its = weights(), weights()
    groups = [{"params": [one], "lr": rate} for one, rate in zip(its, RATES, strict=True)]
    torchs, ours = torch.optim.Adam(groups), Adam(mine, RATES)
    for step in range(5):
        for some in (mine, its):
            put_gradients(some, step)
        ours.step(1 - step / 5)
        for group, rate in zip(torchs.param_groups, RATES, strict=True):
            group["lr"] = rate * (1 - step / 5)
        torchs.step()
    for one, other in zip(mine, its, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_weight_without_a_gradient_stays() -> None:
    some = weights()
    put_gradients(some[:1], 1)
    before = [weight.detach().clone() for weight in some]

    Adam(some, RATES).step()

    moved = [not torch.equal(one, other) for one, other in zip(some, before, strict=True)]
    assert moved == [True, False, False]


def test_it_goes_on_from_a_state_as_if_nothing_had_happened() -> None:
    def go(optimizer: Adam, some: list[nn.Parameter], steps: range) -> None:
        for step in steps:
            put_gradients(some, step)
            optimizer.step()

    whole, parted = weights(), weights()
    go(Adam(whole, RATES), whole, range(6))
    first, second = Adam(parted, RATES), Adam(parted, RATES)
    go(first, parted, range(3))
    # A file keeps no strides.
    kept: dict[str, Tensor] = {
        name: one.clone().contiguous() for name, one in first.state().items()
    }
    second.restore(kept)
    go(second, parted, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(whole, parted, strict=True))


def test_a_run_on_a_processor_does_not_import_the_compiler() -> None:
    program = """
import sys, torch
from workers.seeding import seed_everything
from workers.unlearning.adam import Adam
from workers.unlearning.isolation import isolated
seed_everything(1, 1)
assert torch.get_deterministic_debug_mode() == 2
with isolated(torch.device("cpu"), 1):
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    Adam([weight], [0.1]).step()
    assert torch.get_deterministic_debug_mode() == 1
assert torch.get_deterministic_debug_mode() == 2
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.stdout == "False\n"
